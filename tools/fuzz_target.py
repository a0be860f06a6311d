"""The fuzzing process: hands bytes to one of the two parsers until the time is up or a rule is broken.

Usage: python fuzz_target.py TARGET SECONDS CORPUS [CORPUS ...] [libFuzzer's options]
       python fuzz_target.py TARGET --file FILE
       python fuzz_target.py TARGET --smallest FOLDER     the files of it that tests/corpus is to have

Started by fuzz.py, with tests/ (the ways to break a file) and, where it could be had, atheris on the path.
"""

import contextlib
import importlib.util
import logging
import random
import sys
import tempfile
import time
import warnings
from pathlib import Path

from fuzz_cover import covering

try:
    import atheris
except ImportError:
    atheris = None

ROOT = Path(__file__).resolve().parent.parent
INSTRUMENTED = {
    "style": ["cellstyle.style_file"],
    "micrograph": ["cellstyle.micrograph", "tifffile", "PIL.PngImagePlugin", "PIL.JpegImagePlugin"],
}
CODE = {"style": [str(ROOT / "style_file")], "micrograph": [str(ROOT / "micrograph")]}
NAME = "given.bin"
LONGEST = 600
SECONDS = 2.0
MOST_SAMPLES = 4 * 1024**2


def load_package() -> None:
    """The repository's root as `cellstyle`; neither parser needs ComfyUI."""
    options = {"submodule_search_locations": [str(ROOT)]}
    spec = importlib.util.spec_from_file_location("cellstyle", ROOT / "__init__.py", **options)
    sys.modules["cellstyle"] = importlib.util.module_from_spec(spec)


def parser_of(target: str):
    """read(path): what is fuzzed."""
    if target == "style":
        from cellstyle.style_file.style import read_style

        def small(record, size):
            if size > 100e6:
                raise ValueError(f"{NAME} is too large for this machine")

        return lambda path: read_style(path, small)
    from cellstyle.micrograph.load import Choices, load_micrograph

    # choices that a sound file can meet; a file's size picks one, so that the same file always gets the same answer
    choices = (
        Choices(),
        Choices(z="frames", time="frames", channels="all"),
        Choices(contrast="full range", z="single", channels="1", size="fit", longest_side=64),
        Choices(z="mean", time="max", stack_axis="time", size="pad", multiple=64),
        Choices(contrast="percentile", stack_axis="channel", z="min", invert=True),
    )
    return lambda path: load_micrograph(path, path.name, choices[path.stat().st_size % len(choices)])


def lower_limits() -> None:
    """A sound picture of a few bytes may unpack to 2 GB; the limit itself has its own tests."""
    from cellstyle.micrograph import limits

    limits.MAX_SAMPLES = MOST_SAMPLES


def check(read, path: Path, data: bytes, most: float = SECONDS) -> str:
    """The sentence with which the bytes were refused, "" where they were read.

    Raises: AssertionError: a refusal that is no sentence, or more than `most` seconds of work (of this process: others
        may be at work too). Whatever else the parser raises breaks the rule as well, and goes through.
    """
    path.write_bytes(data)
    text, started = "", time.process_time()
    try:
        read(path)
    except ValueError as error:
        text = str(error)
        assert path.name in text and text.isprintable() and len(text) < LONGEST, repr(text)
    seconds = time.process_time() - started
    assert seconds < most, f"{seconds:.1f} s for {text!r}"
    return text


def ways_of(target: str):
    """broken(data, others, dice): the data, broken in a way that knows the format."""
    if target == "style":
        from hostile_styles import WAYS

        ways = list(WAYS.values())
    else:
        from hostile_pictures import ANYWHERE, LIES

        ways = [*ANYWHERE, *(way for lies in LIES.values() for way in lies)]

    def broken(data: bytes, others: list[bytes], dice: random.Random) -> bytes:
        try:
            return dice.choice(ways)(dice, data, others)
        except Exception:  # the way needs a sound file, and this one is broken already
            return data[: dice.randrange(len(data))] + dice.randbytes(4) if data else b"\0"

    return broken


def fuzz(read, path: Path, seeds: list[bytes], broken, arguments: list[str]) -> None:
    """Guided by coverage: libFuzzer keeps what reaches new code, and ends the process on a broken rule."""

    def mutate(data: bytes, longest: int, seed: int) -> bytes:
        dice = random.Random(seed)
        if dice.random() < 0.5:
            return atheris.Mutate(data, longest)
        return broken(data, seeds, dice)[:longest]

    atheris.Setup([sys.argv[0], *arguments], lambda data: check(read, path, data) and None, custom_mutator=mutate)
    atheris.Fuzz()


def mutate_for(seconds: float, read, path: Path, seeds: list[bytes], broken) -> None:
    """Without atheris: seeds broken in known ways, one after the other. What breaks the rule is left as `crash`."""
    dice, count, refused, end = random.Random(time.time_ns()), 0, 0, time.monotonic() + seconds
    while time.monotonic() < end:
        data = dice.choice(seeds)
        for _ in range(dice.choice((1, 1, 2, 3))):
            data = broken(data, seeds, dice)
        try:
            refused += bool(check(read, path, data))
        except Exception:
            Path("crash").write_bytes(data)
            raise
        count += 1
    print(f"{count} files without coverage, {refused} refused")


def main() -> None:
    """The command line."""
    target, rest = sys.argv[1], sys.argv[2:]
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    load_package()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, NAME)
        if rest[0] == "--file":
            read, data, started = parser_of(target), Path(rest[1]).read_bytes(), time.process_time()
            said = check(read, path, data, most=float("inf")) or "It was read."
            print(f"{said} ({time.process_time() - started:.1f} s)")
            return
        if rest[0] == "--smallest":
            lower_limits()
            folder = Path(rest[1])
            for file in covering(parser_of(target), folder.iterdir(), CODE[target]):
                print(file.name)
            return
        folders = [Path(text) for text in rest[1:] if not text.startswith("-")]
        seeds = [file.read_bytes() for folder in folders for file in sorted(folder.iterdir())]
        broken = ways_of(target)
        if atheris is None:
            lower_limits()
            mutate_for(float(rest[0]), parser_of(target), path, seeds, broken)
            return
        with atheris.instrument_imports(include=INSTRUMENTED[target]):
            lower_limits()
            read = parser_of(target)
            for seed in seeds[:40]:  # what is imported on first use, in seconds that are not the parser's
                path.write_bytes(seed)
                with contextlib.suppress(ValueError):
                    read(path)
        fuzz(read, path, seeds, broken, [f"-max_total_time={rest[0]}", *rest[1:]])


if __name__ == "__main__":
    main()
