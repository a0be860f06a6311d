#!/usr/bin/env python3
"""The pictures of the nodes' help pages and of the README's gallery: web/docs/images/*.jpg, made with the demo model.

    .host/venv/bin/python tools/make_help_pictures.py [NAME ...]

Each is a row or two of labelled results of the pack's own nodes. With another demo model, run this again.
"""

import sys
from collections.abc import Iterator

from picture_studio import START, Studio, single_cell

# isort: split
from bench_models import ROOT, use_pack

TARGET = ROOT / "web" / "docs" / "images"
TILE, GAP, LABEL, FONT = 248, 8, 34, 23  # read at 356 pixels, the width of the editor's side panel
PAPER, INK = "#fbfaf7", "#3c3c41"
STYLES = {"porcelain": "porcelain", "ink wash": "ink_wash", "durian": "durian", "mural": "mural"}


def gamma_and_tau(studio: Studio) -> Iterator[list[tuple]]:
    """What InjectedSampler's two dials do, the same part of each picture twice as large."""
    content, style = "tem_chloroplast", "ink_wash"
    middle = slice(64, 192)

    def part(image):
        return image[:, middle, middle]

    yield [
        ("content", part(studio.picture(content))),
        *(
            (f"gamma {gamma:g}", part(studio.transfer(content, style, gamma=gamma, flat=0.0)))
            for gamma in (0.0, 0.3, 0.75, 1.0)
        ),
    ]
    yield [
        ("style", part(studio.picture(style))),
        *(
            (f"tau {tau:g}", part(studio.transfer(content, style, tau=tau, held=0.0, flat=0.0)))
            for tau in (0.5, 1.0, 1.5, 2.5)
        ),
    ]


def adain(studio: Studio) -> Iterator[list[tuple]]:
    """What Latent AdaIN alone does: the paper's start, and the one that leaves the noise as it is."""
    content, style = "fluorescence", "porcelain"

    def start(**adain):
        return studio.transfer(content, style, adain=adain, inject=False)

    yield [
        *((name, studio.picture(each)) for name, each in (("content", content), ("style", style))),
        *((f"strength {value:g}", start(strength=value)) for value in (0.5, 1.0)),
        ("noise-preserving", start(**START)),
    ]


def inversion(studio: Studio) -> Iterator[list[tuple]]:
    """To noise and back."""
    content = "tem_chloroplast"
    row = [("content", studio.picture(content)), ("its noise", studio.decode(studio.content(content)[0]["samples"]))]
    for label, finer in (
        ("back: ddim, 11", {"solver": "ddim"}),
        ("ddim, refinement 1", {"solver": "ddim", "refinement": 1}),
        ("multistep, 11", {}),
    ):
        inverted, query, _ = studio.content(content, **finer)
        back = studio.nodes.sample(studio.model, studio.conditioning, inverted, None, query)
        row.append((label, studio.decode(back)))
    yield row


def capture(studio: Studio) -> Iterator[list[tuple]]:
    """One content in several styles, free to follow them (gamma 0.3)."""
    content = "tem_chloroplast"
    yield [("", None), *((label, studio.picture(name)) for label, name in STYLES.items())]
    yield [
        ("content", studio.picture(content)),
        *(("", studio.transfer(content, name, gamma=0.3)) for name in STYLES.values()),
    ]


def flat_background(studio: Studio) -> Iterator[list[tuple]]:
    """A single cell in ink wash: strokes all over its empty field, fewer, and none."""
    studio.pictures |= {"cell": single_cell()}
    content, style = "cell", "ink_wash"
    shades = (
        (f"flat_background {flat:g}", studio.transfer(content, style, gamma=0.5, flat=flat)) for flat in (0.0, 0.5, 1.0)
    )
    yield [("content", studio.picture(content)), ("style", studio.picture(style)), *shades]


def blend(studio: Studio) -> Iterator[list[tuple]]:
    """Two styles by weight and by mask."""
    import torch
    from cellstyle.nodes.blend_styles import CellStyleBlend
    from cellstyle.nodes.style_settings import CellStyleSettings

    content, names = "tissue", ("porcelain", "mural")
    captured = [studio.style(name) for name in names]
    inverted, query, _ = studio.content(content)
    starts = [studio.nodes.adain(inverted, noise, **START)["samples"] for _, noise in captured]

    def mixed(share: torch.Tensor, settings=None, **how):
        styles = {f"style_{i}": style_kv for i, (style_kv, _) in enumerate(captured, 1)}
        style_kv = CellStyleBlend.execute(styles=styles, mode="replace", share_bias=0.0, **how).result[0]
        start = {**inverted, "samples": starts[0] * share + starts[1] * (1 - share)}
        dials = {"settings": settings} if settings else {}
        return studio.decode(studio.nodes.sample(studio.model, studio.conditioning, start, style_kv, query, **dials))

    weighted = [
        (f"weights {a:g}, {1 - a:g}", mixed(torch.tensor(a), weights=f"{a}, {1 - a}")) for a in (0.75, 0.5, 0.25)
    ]
    left = torch.zeros(1, 256, 256)
    left[:, :, :128] = 1
    small = torch.nn.functional.interpolate(left[None], size=starts[0].shape[-2:])
    finer = {"query_start": 0.0, "query_end": 1.0, "layer_gamma": "", "adain_rate": 0.4, "adain_start": 0.0}
    finer |= {"adain_end": 1.0, "trained_size": 0, "feature_strength": 0.0, "feature_end": 1.0}
    masks = {"weights": "", "masks": {"mask_1": left, "mask_2": 1 - left}}
    palettes = mixed(small, CellStyleSettings.execute(**finer).result[0], **masks)
    yield [("content", studio.picture(content)), *weighted]
    given = [(f"style {i}", studio.picture(name)) for i, name in enumerate(names, 1)]
    yield [*given, ("masks, left and right", mixed(small, **masks)), ("with adain_rate 0.4", palettes)]


def sweep(studio: Studio) -> Iterator[list[tuple]]:
    """A contact sheet, whole."""
    from cellstyle.nodes.sweep import CellStyleSweep

    content, style = "golgi", "ink_wash"
    inverted, query, _ = studio.content(content)
    style_kv, noise = studio.style(style)
    dials = {key: value for key, value in studio.nodes.DIALS.items() if key not in ("gamma", "tau")}
    sheet = CellStyleSweep.execute(
        model=studio.model,
        conditioning=studio.conditioning,
        latent=studio.nodes.adain(inverted, noise, **START),
        vae=studio.vae,
        style_kv=style_kv,
        content_query=query,
        gammas="0.75, 0.5, 0.3",
        taus="1.0, 2.0",
        picture_size=256,
        **dials,
    ).result[0]
    yield [("", sheet)]


def fidelity_report(studio: Studio) -> Iterator[list[tuple]]:
    """The report of a tissue section in ink wash, whole."""
    import torch
    from cellstyle.nodes.fidelity import CellStyleFidelity

    content, style = "photograph", "ink_wash"
    dials = {
        i.id: i.default for i in CellStyleFidelity.define_schema().inputs if getattr(i, "default", None) is not None
    }
    given = {"content": studio.picture(content), "style": studio.picture(style)}
    result = studio.transfer(content, style, gamma=0.75)
    report = CellStyleFidelity.execute(**given, result=result, **dials).result[0]
    smaller = torch.nn.functional.interpolate(report.movedim(-1, 1), scale_factor=0.7, mode="area")
    yield [("", smaller.movedim(1, -1))]


PICTURES = {
    "gamma_and_tau": gamma_and_tau,
    "adain": adain,
    "inversion": inversion,
    "capture": capture,
    "flat_background": flat_background,
    "blend": blend,
    "sweep": sweep,
    "fidelity_report": fidelity_report,
}


def wrapped(rows: list[list[tuple]]) -> list[list[tuple]]:
    """Rows of three columns at most of five: each goes on below itself, but the columns of a matrix stay together."""
    longest = max(map(len, rows))
    half = longest if longest < 4 else (longest + 1) // 2
    starts = range(0, longest, half)
    is_matrix = rows[0][0][1] is None  # its corner
    order = [(row, start) for start in starts for row in rows] if is_matrix else [(r, s) for r in rows for s in starts]
    return [row[start : start + half] for row, start in order if row[start : start + half]]


def compose(rows: list[list[tuple]]):
    """Rows of (label, IMAGE or None) as one picture; an IMAGE alone in its row is shown whole."""
    from PIL import Image, ImageDraw, ImageFont

    def as_picture(image):
        return Image.fromarray((image[0].clamp(0, 1) * 255).round().byte().cpu().numpy())

    if len(rows) == 1 and len(rows[0]) == 1:
        return as_picture(rows[0][0][1])
    rows = wrapped(rows)
    labels = [LABEL if any(label for label, _ in row) else 0 for row in rows]
    width = max(map(len, rows)) * (TILE + GAP) + GAP
    sheet = Image.new("RGB", (width, sum(labels) + len(rows) * (TILE + GAP) + GAP), PAPER)
    draw, font, top = ImageDraw.Draw(sheet), ImageFont.load_default(FONT), GAP
    for row, height in zip(rows, labels, strict=True):
        top += height
        for x, (label, image) in enumerate(row):
            left = GAP + x * (TILE + GAP)
            draw.text((left + 2, top - 5), label, INK, font, anchor="ls")
            if image is not None:
                sheet.paste(as_picture(image).resize((TILE, TILE), Image.Resampling.LANCZOS), (left, top))
        top += TILE + GAP
    return sheet


def main(names: list[str]) -> int:
    """Draw and write them."""
    if unknown := set(names) - set(PICTURES):
        print(f"{', '.join(sorted(unknown))}: choose from {', '.join(PICTURES)}")
        return 2
    use_pack()
    import torch

    with torch.inference_mode():
        studio = Studio()
        for name in names or PICTURES:
            compose(list(PICTURES[name](studio))).save(TARGET / f"{name}.jpg", quality=82, optimize=True)
            print(TARGET / f"{name}.jpg", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
