"""Units of length as files spell them, in micrometres."""

from __future__ import annotations

import math
import re
import unicodedata

MU, MICRO_SIGN = "\u03bc", "\u00b5"
METRES = {"y": -24, "z": -21, "a": -18, "f": -15, "p": -12, "n": -9, MU: -6, "u": -6, "mc": -6, "m": -3, "c": -2,
          "d": -1, "": 0, "da": 1, "h": 2, "k": 3}  # fmt: skip
PREFIXES = {"femto": -15, "pico": -12, "nano": -9, "micro": -6, "milli": -3, "centi": -2, "deci": -1, "": 0, "kilo": 3}
OTHERS = {"a": 1e-4, "angstrom": 1e-4, "angstroms": 1e-4, "micron": 1.0, "microns": 1.0, MU: 1.0, "inch": 25400.0,
          "inches": 25400.0, "in": 25400.0, '"': 25400.0, "thou": 25.4, "mil": 25.4, "li": 25400 / 12, "pt": 25400 / 72,
          "ft": 304800.0, "foot": 304800.0, "feet": 304800.0, "yd": 914400.0}  # fmt: skip


def micrometres(value, unit: str) -> float | None:
    """A length in micrometres; None where the number or the unit makes no sense, or the length is not above 0."""
    factor = _factor(str(unit))
    try:
        size = float(value) * factor if factor else math.nan
    except (TypeError, ValueError, OverflowError):
        return None
    return size if math.isfinite(size) and size > 0 else None


def _factor(unit: str) -> float | None:
    """Micrometres per unit.

    ImageJ writes letters beyond Latin as `\\u00B5`; UTF-8 read as Latin-1 puts an A with a hat before the micro sign,
    and what could not be read at all is `\\ufffd`, of which the micro sign is the only case before an `m`. Rings and
    dots (of the angstrom) are left out.
    """
    unit = re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), unit)
    unit = unicodedata.normalize("NFKD", unit.replace("\u00c2" + MICRO_SIGN, MICRO_SIGN))
    unit = "".join(letter for letter in unit if not unicodedata.combining(letter))
    unit = unit.strip().strip("\0.[]()").strip().replace("\ufffdm", MU + "m")
    folded = unit.lower()
    if folded[-1:] == "m" and (unit[:-1] in METRES or folded[:-1] in METRES):
        return 10.0 ** (METRES[unit[:-1] if unit[:-1] in METRES else folded[:-1]] + 6)
    word = re.fullmatch(r"(\w*?)met(?:er|re)s?", folded)
    if word and word[1] in PREFIXES:
        return 10.0 ** (PREFIXES[word[1]] + 6)
    return OTHERS.get(folded)
