"""A style file is whole or not there, whatever ends the writing: a full disk, an error, a kill."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cellstyle.node_parts.style_folder import _tidy, style_names
from cellstyle.style_file import drafts
from cellstyle.style_file.drafts import draft_in, remove_abandoned
from fault_sites import ERRORS, Fault
from places import ROOT
from style_files import captured_style, load, save, style_folder_in

posix = pytest.mark.skipif(os.name != "posix", reason="signals, limits and links of POSIX")


@pytest.fixture(scope="module")
def captured():
    return captured_style()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    return style_folder_in(tmp_path, monkeypatch)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def break_disk(patch, call: str, fault: Fault) -> None:
    """Puts the fault in front of one of the calls that write: of the file, or of os."""
    if call in ("fsync", "link", "replace"):
        patch.setattr(os, call, fault.before(getattr(os, call)))
    else:
        patch.setattr(drafts, "open", lambda *args: Watched(open(*args), call, fault), raising=False)  # noqa: SIM115


class Watched:
    def __init__(self, file, call: str, fault: Fault):
        self._file, self._call, self._fault = file, call, fault

    def __getattr__(self, name):
        found = getattr(self._file, name)
        return self._fault.before(found) if name == self._call else found

    def __enter__(self):
        return self

    def __exit__(self, *reason):
        return self._file.__exit__(*reason)


def disk_errors() -> dict:
    codes = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT, errno.EACCES)
    return {errno.errorcode[code]: (lambda code=code: OSError(code, os.strerror(code))) for code in codes}


@pytest.mark.parametrize("form", ["compact", "full"])
@pytest.mark.parametrize(
    ("overwrite", "call"),
    [(new, call) for new in (False, True) for call in ("write", "flush", "fsync", "replace" if new else "link")],
)
def test_a_disk_that_fails_leaves_the_old_file_and_no_other(folder, captured, call, form, overwrite):
    model, _, style_kv, inverted = captured
    save(style_kv, inverted, form="compact")
    before = (folder / "style.safetensors").read_bytes()
    counter = Fault()
    with pytest.MonkeyPatch.context() as patch:
        break_disk(patch, call, counter)
        save(style_kv, inverted, "counted", form, overwrite=overwrite)
    (folder / "counted.safetensors").unlink()
    assert counter.passes
    dice = random.Random(call + form)
    for name, make in (disk_errors() | ERRORS).items():
        if name in disk_errors() and call == "link":
            continue  # taken for a file system without links; see below
        fault = Fault(make(), dice.randint(1, counter.passes))
        with pytest.MonkeyPatch.context() as patch, pytest.raises(BaseException) as caught:
            break_disk(patch, call, fault)
            save(style_kv, inverted, form=form, overwrite=overwrite)
        if name in disk_errors():
            assert isinstance(caught.value, ValueError) and "could not be written" in str(caught.value)
            assert os.strerror(fault.error.errno) in str(caught.value)
        else:
            assert caught.value is fault.error
        assert names_in(folder) == ["style.safetensors"]
        assert (folder / "style.safetensors").read_bytes() == before
    load("style.safetensors", model)


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK])
def test_a_file_system_without_links_still_gets_the_file_whole(folder, captured, code, monkeypatch):
    _, _, style_kv, inverted = captured
    monkeypatch.setattr(os, "link", Fault(OSError(code, os.strerror(code)), 1).before(os.link))
    assert save(style_kv, inverted) == "style.safetensors"
    assert names_in(folder) == ["style.safetensors"]


@posix
def test_a_file_that_may_not_grow_is_refused_by_the_system_itself(folder, captured):
    import resource
    import signal

    _, _, style_kv, inverted = captured
    limit, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limit[1]))
        with pytest.raises(ValueError, match=f"could not be written .*{os.strerror(errno.EFBIG)}"):
            save(style_kv, inverted)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert names_in(folder) == []
    assert save(style_kv, inverted) == "style.safetensors"


WRITER = r"""
import importlib.util, sys, time
from pathlib import Path
root, folder = sys.argv[1:]
spec = importlib.util.spec_from_file_location("cellstyle", root + "/__init__.py", submodule_search_locations=[root])
sys.modules["cellstyle"] = importlib.util.module_from_spec(spec)
from cellstyle.style_file.drafts import draft_in
with draft_in(Path(folder)) as (path, file):
    file.write(b"x" * 100_000)
    file.flush()
    print("writing", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def writer(folder):
    """Another process that is writing into the folder."""
    command = [sys.executable, "-c", WRITER, str(ROOT), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "writing\n"
            yield process
        finally:
            process.kill()


def test_a_draft_of_a_living_writer_is_left_alone_and_that_of_a_killed_one_goes(folder, captured, writer):
    _, _, style_kv, inverted = captured
    assert len(names_in(folder)) == 1 and style_names() == []
    assert save(style_kv, inverted, "mine") == "mine.safetensors"
    assert len(names_in(folder)) == 2 and style_names() == ["mine.safetensors"]
    writer.kill()
    writer.wait()
    if os.name == "nt":
        for path in folder.glob("*.tmp"):
            os.utime(path, (time.time() - 3600,) * 2)
    save(style_kv, inverted, "mine", overwrite=True)
    assert names_in(folder) == ["mine.safetensors"]


@posix
def test_a_server_removes_what_a_killed_one_left_when_it_first_looks(folder, writer):
    deep = folder / "ink" / "mountains"
    deep.mkdir(parents=True)
    left = next(folder.glob("*.tmp"))
    writer.kill()
    writer.wait()
    left.rename(deep / left.name)
    _tidy.cache_clear()
    assert style_names() == []
    assert names_in(folder) == ["ink", "mountains"]


def test_only_drafts_are_removed(folder):
    kept = [".cellstyle-1234.tmp", ".other.tmp", "a.tmp", "cellstyle.tmp", f".cellstyle-{'0' * 32}.tmp2"]
    for name in kept:
        (folder / name).write_bytes(b"somebody's")
    (folder / f".cellstyle-{'1' * 32}.tmp").mkdir()
    remove_abandoned(folder)
    assert names_in(folder) == sorted([*kept, f".cellstyle-{'1' * 32}.tmp"])
    remove_abandoned(folder / "nowhere")


def test_a_draft_that_is_taken_before_it_is_locked_is_begun_again(folder, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    seen = []

    class Slow:
        LOCK_EX, LOCK_NB = fcntl.LOCK_EX, fcntl.LOCK_NB

        @staticmethod
        def flock(file, how):
            if not seen:  # another process' cleaning comes between
                os.unlink(file.name)
            seen.append(file.name)
            fcntl.flock(file, how)

    monkeypatch.setattr("cellstyle.style_file.drafts.fcntl", Slow)
    with draft_in(folder) as (path, file):
        file.write(b"x")
        assert path.exists() and str(path) == str(seen[-1]) != str(seen[0])
    assert names_in(folder) == []
