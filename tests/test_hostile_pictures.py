"""Thousands of broken pictures: each is loaded as numbers in 0..1 or gets one sentence, soon and cheaply."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import logging
import random

import numpy as np
import pytest
from cellstyle.micrograph.load import Choices, load_micrograph
from hostile_pictures import ANYWHERE, LIES, broken_pictures
from sound_pictures import sound_pictures
from watched import Most, Watched

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")
logging.getLogger("tifffile").setLevel(logging.CRITICAL)
SECONDS, MEGABYTES = 2, 200
MOST = Most()  # of those that were refused
CHOICES = [
    Choices(),
    Choices(contrast="full range", z="single", channels="1"),
    Choices(z="frames", time="frames", channels="all"),
    Choices(z="mean", time="max", stack_axis="time", size="pad", multiple=64),
    Choices(stack_axis="channel", channels="1-2", series=2),
    Choices(pyramid_level=1, size="fit", longest_side=512),
]


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> dict[str, bytes]:
    """Each is loaded once, by every choice: what the readers import at first use is no file's time."""
    found, path = sound_pictures(), tmp_path_factory.mktemp("sound") / "given.tif"
    for data in found.values():
        path.write_bytes(data)
        for choices in CHOICES:
            with contextlib.suppress(ValueError):
                load_micrograph(path, path.name, choices)
    return found


def check(path, how: str, data: bytes, choices: Choices) -> str:
    """The sentence that the file got, "" where it was loaded."""
    path.write_bytes(data)
    said = ""
    with Watched(path) as watched:
        try:
            loaded = load_micrograph(path, path.name, choices)
        except ValueError as error:
            said = str(error)
    how = f"{how}, {dataclasses.asdict(choices)}: {said or 'loaded'}"
    if said:
        assert path.name in said and "\n" not in said and len(said) < 600 and said.isprintable(), repr(how)
        assert watched.megabytes < MEGABYTES, f"{how}: {watched.megabytes:.0f} MB"
        assert watched.seconds < SECONDS, f"{how}: {watched.seconds:.1f} s"
        MOST.note(watched.seconds, watched.megabytes)
    else:
        assert loaded.images.dtype == np.float32 and np.isfinite(loaded.images).all(), how
        assert loaded.images.min() >= 0 and loaded.images.max() <= 1, how
        assert watched.seconds < SECONDS + loaded.images.size / 1e6, f"{how}: {watched.seconds:.1f} s"
    assert not watched.touched, f"{how}: {watched.touched}"
    return said


def check_many(tmp_path, sound, count: int, seed: int) -> None:
    dice, answers = random.Random(seed), collections.Counter()
    for how, data in broken_pictures(sound, count, seed):
        said = check(tmp_path / "given.tif", how, data, dice.choice(CHOICES))
        answers[how.rsplit(", ", 1)[1], bool(said)] += 1
    ways = {way.__name__[1:] for way in (*ANYWHERE, *(way for ways in LIES.values() for way in ways))}
    assert {way for way, _ in answers} == ways
    refused = sum(n for (_, said), n in answers.items() if said)
    print(f"{count} files, {refused} refused; {MOST} so far")
    assert count / 3 < refused < count


def test_sound_pictures_are_loaded(tmp_path, sound):
    for name, data in sound.items():
        assert check(tmp_path / "given.tif", name, data, Choices()) == ""


def test_hundreds_of_broken_pictures(tmp_path, sound):
    check_many(tmp_path, sound, 500, seed=1)


@pytest.mark.long(section="hostile")
@pytest.mark.parametrize("seed", range(100, 110))
def test_thousands_more(tmp_path, sound, seed):
    check_many(tmp_path, sound, 1000, seed)
