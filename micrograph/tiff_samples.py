"""What the samples of a TIFF page mean: gray, inverted gray, a palette, colour in one of several spaces, opacity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from .colour_spaces import LUMA, from_cmyk, from_lab, from_ycbcr, unassociated
from .errors import MicrographError
from .limits import check_planes

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, MASK, SEPARATED, YCBCR, CIELAB, ICCLAB = 0, 1, 2, 3, 4, 5, 6, 8, 9
JPEGS = (6, 7, 33007, 34892)
APERIO_YCBCR = 33003  # JPEG 2000 without its own change of colours
ASSOCIATED, UNASSOCIATED = 1, 2
IMAGE_CODECS = (*JPEGS, 33003, 33004, 33005, 34712, 34933, 50001)
AS_TIFF = "Convert it to RGB or to separate channels and save it again as TIFF."


@dataclass
class Samples:
    """How a page is read.

    `convert` takes (..., samples in the file) and gives (..., `count` samples, and the opacity after them where `alpha`
    says that there is one). `rgb`: the first three are red, green and blue. dtype and bits are those of the result.
    """

    count: int
    dtype: np.dtype
    bits: int | None = None
    rgb: bool = False
    alpha: bool = False
    notes: list[str] = field(default_factory=list)
    convert: Callable[[np.ndarray], np.ndarray] = lambda pixels: pixels


def samples_of(page, name: str, declared_bits: int | None = None, palette: bool = True) -> Samples:
    """How to read the samples of a page.

    Args:
        page: a tifffile.TiffPage, the keyframe of a series.
        declared_bits: significant bits that the metadata declare, if they do.
        palette: whether a palette is applied; its indices are the samples otherwise.
    Raises: MicrographError for what cannot be shown as colour or gray without a guess.
    """
    dtype = np.dtype(page.dtype)
    if dtype.kind not in "buif":
        raise MicrographError(f"{name} holds {dtype} samples; whole or real numbers are expected. Convert it in Fiji.")
    photometric, samples = int(page.photometric), page.samplesperpixel
    check_planes(name, samples)
    kinds = [int(kind) for kind in page.extrasamples][:samples]
    stored = np.dtype(np.uint8) if dtype.kind == "b" else dtype
    bits = _bits(page, dtype, declared_bits)
    top = 1.0 if dtype.kind == "f" else float(2**bits - 1) if bits else float(np.iinfo(stored).max)
    made = Samples(samples, stored, bits)
    steps, needed = [], 1
    if photometric == PALETTE and palette:
        steps, made.dtype, made.bits, made.rgb = [_palette(page, name)], np.dtype(np.uint16), 16, True
    elif photometric == RGB and samples >= 3:
        needed, made.rgb = 3, True
    elif photometric == SEPARATED:
        ink_set = page.tags.valueof(332, 1)
        if ink_set != 1 or samples < 4 or stored.kind != "u":
            raise MicrographError(f"{name} holds inks other than cyan, magenta, yellow and black. {AS_TIFF}")
        needed, made.rgb = 4, True
        steps.append(lambda pixels: from_cmyk(pixels, top))
        made.notes.append("converted from CMYK without a colour profile")
    elif photometric == YCBCR or page.compression == APERIO_YCBCR:
        needed, made.rgb = 3, True
        step = _ycbcr(page, name, stored)
        steps += [step] if step else []
    elif photometric in (CIELAB, ICCLAB):
        if samples < 3 or stored not in (np.uint8, np.uint16):
            raise MicrographError(f"{name} holds CIE L*a*b* with {samples} samples of {stored}. {AS_TIFF}")
        needed, made.rgb = 3, True
        steps.append(lambda pixels: from_lab(pixels, photometric == CIELAB))
        made.notes.append("converted from CIE L*a*b* to sRGB")
    elif photometric == WHITE_IS_ZERO:
        steps.append(lambda pixels: _inverted(pixels, top))
    elif photometric not in (BLACK_IS_ZERO, RGB, MASK, PALETTE):
        called = getattr(page.photometric, "name", photometric)
        raise MicrographError(f"{name} holds colours of the kind {called}, which is not read. {AS_TIFF}")
    if samples < needed:
        raise MicrographError(f"{name} declares colour in {needed} samples and has {samples}. {AS_TIFF}")
    _arrange(made, steps, needed, samples, kinds, top, 65535 // top if photometric == PALETTE and palette else 1)
    return made


def _arrange(made: Samples, steps: list, needed: int, samples: int, kinds: list[int], top: float, scale: float) -> None:
    """Applies the steps to the colours alone, puts the opacity last, and counts.

    Args:
        needed: samples that make a colour; of gray pages every sample but the opacity is a channel.
        kinds: ExtraSamples, which describes the last samples.
        scale: from the stored opacity to the range of a palette's colours.
    """
    kinds = ([0] * samples + kinds)[-samples:]
    opaque = next((n for n in range(needed, samples) if kinds[n] in (ASSOCIATED, UNASSOCIATED)), None)
    associated = opaque is not None and kinds[opaque] == ASSOCIATED
    shown = list(range(needed)) if made.rgb else [n for n in range(samples) if n != opaque]
    others = [n for n in range(needed, samples) if n != opaque] if made.rgb else []
    made.alpha = opaque is not None
    made.count = (3 if made.rgb else len(shown)) + len(others)
    if others:
        made.notes.append(f"{len(others)} samples beside the colours are channels of their own, named extra")
    if not (steps or associated) and opaque in (None, samples - 1):
        return

    def convert(pixels):
        parts = pixels[..., shown]
        for step in steps:
            parts = step(parts)
        rest = [pixels[..., n : n + 1].astype(made.dtype) for n in others]
        if opaque is not None:
            opacity = pixels[..., opaque : opaque + 1].astype(made.dtype) * made.dtype.type(scale)
            if associated:
                parts = unassociated(np.concatenate([parts, opacity], -1), top * scale)[..., :-1]
            rest.append(opacity)
        return np.concatenate([parts, *rest], -1) if rest else parts

    made.convert = convert


def _bits(page, dtype: np.dtype, declared: int | None) -> int | None:
    """Significant bits of whole numbers, where fewer than the type has (a 12-bit camera); None for other numbers."""
    if dtype.kind not in "bu":
        return None
    if dtype.kind == "b":
        return 1
    whole = dtype.itemsize * 8
    bits = declared or (page.bitspersample if isinstance(page.bitspersample, int) else whole)
    return bits if 1 <= bits <= whole else whole


def _palette(page, name: str) -> Callable:
    table = page.colormap
    if table is None or np.ndim(table) != 2 or len(table) != 3 or page.dtype.kind not in "bu":
        raise MicrographError(f"{name} is drawn with a palette that it does not hold. {AS_TIFF}")
    table = np.asarray(table, np.uint16).T
    if table.max(initial=0) < 256:  # some writers fill the 16 bits with numbers of 8
        table = table * np.uint16(257)
    return lambda pixels: table[np.minimum(pixels[..., 0].astype(np.intp), len(table) - 1)]


def _inverted(pixels: np.ndarray, top: float) -> np.ndarray:
    """White is 0: the type's range turned around, -1 - v for signed numbers."""
    if pixels.dtype.kind == "f":
        return 1 - pixels
    if pixels.dtype.kind == "i":
        return -1 - pixels
    top = pixels.dtype.type(top)
    return top - np.minimum(pixels, top)


def _ycbcr(page, name: str, stored: np.dtype) -> Callable | None:
    """None where the decoder gives RGB already."""
    aperio = page.compression == APERIO_YCBCR
    if page.compression in IMAGE_CODECS and page.planarconfig == 1 and not aperio:
        if page.extrasamples:
            raise MicrographError(f"{name} holds YCbCr colours and further samples in one JPEG. {AS_TIFF}")
        return None
    if page.is_subsampled and page.compression not in IMAGE_CODECS:
        raise MicrographError(f"{name} holds YCbCr with fewer samples of colour than of light. {AS_TIFF}")
    if stored not in (np.uint8, np.uint16):
        raise MicrographError(f"{name} holds YCbCr in samples of {stored}. {AS_TIFF}")
    luma, reference = _ratios(page, 529, 3) or LUMA, _ratios(page, 532, 6)
    if reference and stored == np.uint16 and max(reference) < 256:  # a writer's numbers for 8 bits
        reference = None
    if min(luma) <= 0 or (reference and any(low >= high for low, high in zip(*[iter(reference)] * 2, strict=True))):
        raise MicrographError(f"{name} describes its YCbCr colours by numbers that make no sense. {AS_TIFF}")
    return lambda pixels: from_ycbcr(pixels, luma, None if aperio else reference)


def _ratios(page, tag: int, count: int) -> tuple[float, ...] | None:
    value = page.tags.valueof(tag)
    try:
        flat = [float(v) for v in value]
        if len(flat) == 2 * count:
            flat = [a / b for a, b in zip(*[iter(flat)] * 2, strict=True)]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return tuple(flat) if len(flat) == count and all(np.isfinite(flat)) else None
