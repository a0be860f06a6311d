"""The demo's pictures: real micrographs as contents, the example styles, and the contact sheet of what came out."""

from dataclasses import dataclass
from pathlib import Path

from host_layout import ROOT, HostError
from PIL import Image, ImageDraw, ImageFont, ImageOps

EXAMPLES = ROOT / "example_images"
MULTIPLE = 8  # pixels a latent cell

PAPER, INK, MUTED, WARNING = "#ffffff", "#1d1d1f", "#6e6e73", "#b3261e"


@dataclass
class Picture:
    """A named picture; `source` says where it comes from."""

    name: str
    image: Image.Image
    source: str


@dataclass
class Row:
    """One line of the contact sheet."""

    content: Picture
    style: Picture
    result: Image.Image


def fitted(image: Image.Image, size: int) -> Image.Image:
    """RGB, at most `size` pixels on the long side with the aspect kept, cut at the edges to multiples of 8."""
    image = image.convert("RGB")
    scale = min(1.0, size / max(image.size))
    image = image.resize([max(MULTIPLE, round(side * scale)) for side in image.size], Image.Resampling.LANCZOS)
    width, height = (side - side % MULTIPLE for side in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def contents(size: int) -> list[Picture]:
    """The micrographs that scikit-image carries, and the example micrograph when it is there."""
    from skimage import data

    found = [
        Picture("tissue", Image.fromarray(data.immunohistochemistry()), "scikit-image, immunohistochemistry"),
        Picture("cell", Image.fromarray(data.cell()), "scikit-image, cell"),
    ]
    tem = EXAMPLES / "content_tem_chloroplast.png"
    if tem.is_file():
        found.append(Picture("chloroplast", Image.open(tem), tem.name))
    return [Picture(each.name, fitted(each.image, size), each.source) for each in found]


def styles(size: int) -> list[Picture]:
    """The example styles; HostError when there are none."""
    files = sorted(EXAMPLES.glob("style_*.png"))
    if not files:
        raise HostError(f"There are no style pictures ({EXAMPLES / 'style_*.png'}).")
    names = [path.stem.removeprefix("style_").replace("_", " ") for path in files]
    return [Picture(name, fitted(Image.open(path), size), path.name) for name, path in zip(names, files, strict=True)]


def contact_sheet(rows: list[Row], caption: str, warning: str = "", cell: int = 288) -> Image.Image:
    """One picture: content | style | result a row, each labelled, with `caption` (and `warning`) below the title."""
    margin, gap, label = 48, 24, 40
    title, heading, small = (ImageFont.load_default(size) for size in (34, 20, 16))
    top = margin + 52 + 30 + (28 if warning else 0) + 24
    width = 2 * margin + 3 * cell + 2 * gap
    sheet = Image.new("RGB", (width, top + 32 + len(rows) * (cell + label) + margin - 8), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((margin, margin), "CellStyle", INK, title)
    draw.text((margin, margin + 52), caption, MUTED, small)
    if warning:
        draw.text((margin, margin + 80), warning, WARNING, small)
    for column, text in enumerate(("Content", "Style", "Result")):
        draw.text((margin + column * (cell + gap), top), text, INK, heading)
    y = top + 32
    for row in rows:
        named = (
            (row.content.image, row.content.name),
            (row.style.image, row.style.name),
            (row.result, f"{row.content.name}, {row.style.name}"),
        )
        for column, (image, text) in enumerate(named):
            x = margin + column * (cell + gap)
            small_image = ImageOps.contain(image.convert("RGB"), (cell, cell), Image.Resampling.LANCZOS)
            sheet.paste(small_image, (x, y + cell - small_image.height))
            draw.text((x, y + cell + 6), text, MUTED, small)
        y += cell + label
    return sheet


def save_png(image: Image.Image, path: Path) -> Path:
    """Write a PNG and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, "PNG", optimize=True)
    return path
