"""tools/fuzz.py notices a broken rule, works with and without coverage, and keeps little of what it finds."""

from __future__ import annotations

import re
import subprocess
import sys
import time

import fuzz
import fuzz_target
import pytest
from host_layout import ENV_HOST_ROOT, HostError, find
from places import ROOT

NAME = fuzz_target.NAME
SEEDS = [path.read_bytes() for path in sorted((ROOT / "tests" / "corpus" / "style").iterdir())]


def saying(text):
    def read(path):
        raise ValueError(text)

    return read


def test_a_sentence_that_names_the_file_keeps_the_rule(tmp_path):
    assert fuzz_target.check(saying("given.bin is cut off."), tmp_path / NAME, b"") == "given.bin is cut off."
    assert fuzz_target.check(lambda path: path.read_bytes(), tmp_path / NAME, b"x") == ""


@pytest.mark.parametrize(
    "text", ["it is cut off.", "given.bin is\ncut off.", "given.bin \ud800", "given.bin " + "x" * 1000]
)
def test_any_other_sentence_breaks_it(tmp_path, text):
    with pytest.raises(AssertionError):
        fuzz_target.check(saying(text), tmp_path / NAME, b"")


def test_so_do_other_errors_and_long_work(tmp_path):
    with pytest.raises(ZeroDivisionError):
        fuzz_target.check(lambda path: 1 / 0, tmp_path / NAME, b"")

    def slow(path):
        end = time.process_time() + 0.02
        while time.process_time() < end:
            pass

    with pytest.raises(AssertionError, match=r"0\.0 s for"):
        fuzz_target.check(slow, tmp_path / NAME, b"", most=0.01)


@pytest.mark.parametrize("target", fuzz.TARGETS)
def test_without_atheris_the_ways_to_lie_do(tmp_path, capsys, monkeypatch, target):
    monkeypatch.chdir(tmp_path)  # where it leaves a file that breaks the rule
    fuzz_target.mutate_for(0.5, saying("given.bin is odd."), tmp_path / NAME, SEEDS, fuzz_target.ways_of(target))
    assert "files without coverage" in capsys.readouterr().out
    with pytest.raises(ZeroDivisionError):
        fuzz_target.mutate_for(9, lambda path: 1 / 0, tmp_path / NAME, SEEDS, fuzz_target.ways_of(target))
    assert (tmp_path / "crash").read_bytes() == (tmp_path / NAME).read_bytes()


def test_an_atheris_that_cannot_be_had_is_told(tmp_path, capsys, monkeypatch):
    host = find()
    monkeypatch.setenv(ENV_HOST_ROOT, str(tmp_path))
    monkeypatch.setattr(fuzz, "ATHERIS", "no such requirement")
    assert not fuzz.prepare_atheris(host)
    assert "no such requirement can't be had here, so there is no coverage to go by" in capsys.readouterr().out
    assert not fuzz.site().exists()


def test_without_atheris_the_command_does_the_same(tmp_path, capsys, monkeypatch):
    host = find()
    monkeypatch.setenv(ENV_HOST_ROOT, str(tmp_path))  # where no atheris is
    monkeypatch.setattr(fuzz, "prepare_atheris", lambda host: False)
    fuzz.fuzz(host, "micrograph", 1)
    said = capsys.readouterr().out
    assert re.search(
        r"^micrograph: 1 s, without coverage\nmicrograph: [1-9]\d* files without coverage, \d+ refused\n$", said
    ), said


def test_a_broken_rule_ends_with_the_file_that_broke_it(tmp_path, monkeypatch):
    monkeypatch.setenv(ENV_HOST_ROOT, str(tmp_path))
    monkeypatch.setattr(fuzz, "prepare_atheris", lambda host: True)
    text = "Uncaught Python exception\nTest unit written to /x/crash-1\n"
    said = r"style: a rule was broken by /x/crash-1\. .*fuzz\.py style --file /x/crash-1"
    monkeypatch.setattr(fuzz, "start", lambda *_: subprocess.CompletedProcess([], 77, text))
    with pytest.raises(HostError, match=said):
        fuzz.fuzz(None, "style", 1)
    monkeypatch.setattr(fuzz, "start", lambda *_: subprocess.CompletedProcess([], 1, "SyntaxError"))
    with pytest.raises(HostError, match="the fuzzing process failed:\nSyntaxError"):
        fuzz.fuzz(None, "style", 1)


def test_the_smallest_files_that_lead_everywhere_are_kept(tmp_path, capsys, monkeypatch):
    host = find()
    monkeypatch.setenv(ENV_HOST_ROOT, str(tmp_path / "host"))
    monkeypatch.setattr(fuzz, "CORPUS", tmp_path)
    monkeypatch.setattr(fuzz, "CORPUS_BYTES", 60)
    found = tmp_path / "host" / "fuzz" / "micrograph" / "corpus"
    found.mkdir(parents=True)
    (tmp_path / "micrograph").mkdir()
    (tmp_path / "micrograph" / "sound").write_bytes(b"12345")
    (tmp_path / "micrograph" / "found-before").write_bytes(b"1")
    short, same, jpeg, tiff, png = b"x", b"yy", b"\xff\xd8\xff!", b"II*\0" + bytes(4), b"\x89PNG\r\n\x1a\n" + bytes(64)
    for number, data in enumerate((short, same, jpeg, tiff, png)):
        (found / str(number)).write_bytes(data)
    fuzz.keep(host, "micrograph")
    kept = sorted(path.read_bytes() for path in (tmp_path / "micrograph").iterdir())
    assert kept == sorted([b"12345", short, jpeg, tiff])
    assert "3 of 5 files" in capsys.readouterr().out


def test_the_command_line_judges_one_file(tmp_path):
    (tmp_path / "mine").write_bytes(b"PK\x03\x04")
    command = [sys.executable, str(ROOT / "tools" / "fuzz.py"), "micrograph", "--file", str(tmp_path / "mine")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{NAME} is not a TIFF")


def test_a_target_that_does_not_exist_is_refused(capsys):
    with pytest.raises(SystemExit):
        fuzz.main(["stile"])
    assert "stile: choose from style, micrograph" in capsys.readouterr().err


@pytest.mark.long(section="fuzz")
@pytest.mark.parametrize("target", fuzz.TARGETS)
def test_six_minutes_of_fuzzing(target):
    command = [sys.executable, str(ROOT / "tools" / "fuzz.py"), target, "--seconds", "360"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    print(done.stdout)
    assert done.returncode == 0, done.stderr
