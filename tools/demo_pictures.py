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
    """One result of the contact sheet, and what it was made of."""

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


def contact_sheet(rows: list[Row], caption: str, warning: str = "", cell: int = 224) -> Image.Image:
    """One picture: contents down, styles across, each result where they meet; `caption` (and `warning`) in the title.

    A pair that was not run stays empty.
    """
    contents = list({row.content.name: row.content for row in rows}.values())
    styles = list({row.style.name: row.style for row in rows}.values())
    margin, gap, label = 40, 8, 24
    title, small = (ImageFont.load_default(size) for size in (34, 16))
    top = margin + 52 + 30 + (28 if warning else 0) + 12
    step = cell + gap
    width = max(2 * margin + (1 + len(styles)) * step - gap, 2 * margin + 640)
    sheet = Image.new("RGB", (width, top + label + (1 + len(contents)) * step + margin), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((margin, margin), "CellStyle", INK, title)
    draw.text((margin, margin + 52), caption, MUTED, small)
    if warning:
        draw.text((margin, margin + 80), warning, WARNING, small)

    def put(image: Image.Image, row: int, column: int) -> None:
        fitting = ImageOps.contain(image.convert("RGB"), (cell, cell), Image.Resampling.LANCZOS)
        x, y = margin + column * step, top + label + row * step
        sheet.paste(fitting, (x + (cell - fitting.width) // 2, y + (cell - fitting.height) // 2))

    for column, style in enumerate(styles, 1):
        draw.text((margin + column * step, top), style.name, MUTED, small)
        put(style.image, 0, column)
    for row, content in enumerate(contents, 1):
        put(content.image, row, 0)
    for each in rows:
        put(each.result, 1 + contents.index(each.content), 1 + styles.index(each.style))
    return sheet


def save_png(image: Image.Image, path: Path) -> Path:
    """Write a PNG and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, "PNG", optimize=True)
    return path
