"""What the user asked for, as indices: channels by number or name, planes by number or projection."""

from __future__ import annotations

from .errors import MicrographError
from .source import Source

AUTO_CHANNELS = 3
"""`auto` shows no more channels than this at once, unless the file has exactly four."""


def words_of(text: str) -> list[str]:
    """What stands between the commas, without blanks around it; "a,,b" has an empty word, for the caller to refuse.

    The same for channels and colours. `common/` has another for the rest of the pack: this room imports no other.
    """
    return [word.strip() for word in text.split(",")]


def choose_channels(text: str, source: Source) -> list[int]:
    """Indices from text: "auto", "all", or numbers from 1, ranges and names, such as "1,3", "1-4" or "DAPI, GFP".

    Raises: MicrographError that quotes the word and lists the channels.
    """
    count = len(source.channels)
    wish = text.strip().lower()
    if wish in ("", "auto") and source.rgb:  # samples beside the colours are asked for by number or name
        return list(range(3))
    if wish in ("", "auto"):
        return list(range(count if count <= AUTO_CHANNELS + 1 else AUTO_CHANNELS))
    if wish == "all":
        return list(range(count))
    names = {channel.name.lower(): n for n, channel in reversed(list(enumerate(source.channels)))}
    chosen = []
    for word in words_of(text):
        first, dash, last = word.partition("-")
        if word.lower() in names:
            chosen.append(names[word.lower()])
        elif word.isdecimal() and 1 <= int(word) <= count:
            chosen.append(int(word) - 1)
        elif dash and first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last) <= count:
            chosen.extend(range(int(first) - 1, int(last)))
        else:
            known = ", ".join(f"{n + 1} ({c.name})" for n, c in enumerate(source.channels[:12]))
            raise MicrographError(
                f"channels: {word[:40]!r} is not in {source.name}, which has {known}{', ...' if count > 12 else ''}. "
                'Write numbers or names such as "1,3", or "auto" or "all".'
            )
    return list(dict.fromkeys(chosen))


def choose_planes(mode: str, number: int, count: int, what: str, name: str, max_frames: int, cut_off="") -> list[int]:
    """Indices along z or time.

    Args:
        mode: "single", "frames" (from `number` on, at most max_frames), or a projection, which takes all.
        number: counted from 1; 0 is the middle (for frames: the first).
        cut_off: what is missing of a file that ends early, "" where nothing is.
    Raises: MicrographError.
    """
    if mode not in ("single", "frames"):
        return list(range(count))
    if number > count and (count > 1 or cut_off):
        why = f" {cut_off}: copy or upload it again." if cut_off else ""
        raise MicrographError(
            f"{name} has {count} planes along {what}, number {number} was asked for. Choose 1 to {count}.{why}"
        )
    if count == 1:
        return [0]
    if mode == "single":
        return [number - 1 if number else (count - 1) // 2]
    first = max(number, 1) - 1
    return list(range(first, min(count, first + max_frames)))
