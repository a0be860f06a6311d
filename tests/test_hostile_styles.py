"""Thousands of style files that nobody sane made: each is a style or gets one sentence, soon and cheaply."""

from __future__ import annotations

import collections

import pytest
from cellstyle.style_file.style import read_record, read_style
from hostile_styles import WAYS, broken_files
from sound_styles import sound_files
from watched import Most, Watched

SECONDS, MEGABYTES = 2, 200
MOST = Most()


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> dict[str, bytes]:
    return sound_files(tmp_path_factory.mktemp("sound"))


def reject_large(record, size) -> None:
    if size > 100e6:
        raise ValueError("given.safetensors is too large for this machine")


def check(path, how: str, data: bytes) -> str:
    """The sentence that the file got, "" where it was read."""
    path.write_bytes(data)
    said = {}
    with Watched(path) as watched:
        for read in (read_record, lambda path: read_style(path, reject_large)):
            try:
                read(path)
                said[read] = ""
            except ValueError as error:
                said[read] = str(error)
    for text in said.values():
        assert text == "" or text.startswith("given.safetensors "), f"{how}: {text!r}"
        assert "\n" not in text and len(text) < 500 and text.isprintable(), f"{how}: {text!r}"
    assert watched.seconds < SECONDS, f"{how}: {watched.seconds:.1f} s"
    assert watched.megabytes < MEGABYTES, f"{how}: {watched.megabytes:.0f} MB"
    assert not watched.touched, f"{how}: {watched.touched}"
    MOST.note(watched.seconds, watched.megabytes)
    return text


def check_many(tmp_path, sound, count: int, seed: int) -> None:
    answers = collections.Counter()
    for how, data in broken_files(sound, count, seed):
        said = check(tmp_path / "given.safetensors", how, data)
        answers[how.rsplit(", ", 1)[1], bool(said)] += 1
    assert {way for way, _ in answers} == set(WAYS)
    refused = sum(n for (_, said), n in answers.items() if said)
    print(f"{count} files, {refused} refused; {MOST} so far")
    assert count / 2 < refused < count


def test_sound_files_are_read(tmp_path, sound):
    for name, data in sound.items():
        assert check(tmp_path / "given.safetensors", name, data) == ""


def test_a_thousand_broken_files(tmp_path, sound):
    check_many(tmp_path, sound, 1000, seed=1)


@pytest.mark.long(section="hostile")
@pytest.mark.parametrize("seed", range(100, 110))
def test_thousands_more(tmp_path, sound, seed):
    check_many(tmp_path, sound, 1000, seed)
