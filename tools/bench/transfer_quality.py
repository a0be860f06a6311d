"""Whole transfers with few network calls, beside the paper's: figures, and a sheet to look at."""

from __future__ import annotations

from pathlib import Path

from bench_tables import table
from example_pictures import picture
from inversion_setting import FAST, PAPER, Setting, psnr

PAIRS = (
    ("photograph", "porcelain"),
    ("tem_chloroplast", "ink_wash"),
    ("golgi", "woodblock"),
    ("plant_cells", "impression"),
)
EXACT = Setting("ddim", 50, refinement=2)
TRANSFERS = (PAPER, EXACT, Setting("ddim", 20), Setting("ddim", 11), Setting("multistep", 11), FAST)
SHEET = (PAPER, EXACT, FAST)


def transfers(pictures: Path | None) -> list[dict]:
    """Each setting's pictures against the paper's, and against 50 steps with a nearly exact inversion.

    Args:
        pictures: folder for the sheet fewer_calls.jpg, None for no sheet.
    Returns: [{what, setting, calls, paper: {psnr, ssim}, exact: {psnr, ssim}}], a value a pair.
    """
    from cellstyle.demo_model.load import load_demo_model
    from cellstyle.fidelity.similarity import ssim

    parts = load_demo_model()
    made = {setting: [_transfer(parts, *pair, setting) for pair in PAIRS] for setting in TRANSFERS}
    found = []
    for setting in TRANSFERS:
        entry = {"what": "transfer", "setting": str(setting), "calls": 2 * setting.calls + setting.steps}
        for name, reference in (("paper", PAPER), ("exact", EXACT)):
            pairs = list(zip(made[setting], made[reference], strict=True))
            grey = [[x.mean(-1).numpy() for x in pair] for pair in pairs]
            entry[name] = {"psnr": [psnr(*pair) for pair in pairs], "ssim": [float(ssim(*pair)) for pair in grey]}
        found.append(entry)
    heads = [f"{content}, {style}" for content, style in PAIRS]
    for name, what in (("paper", f"the paper's ({PAPER})"), ("exact", f"a nearly exact inversion ({EXACT})")):
        lines = [[f["setting"], f["calls"], *map(_cell, f[name]["psnr"], f[name]["ssim"])] for f in found]
        table(f"f. Whole transfers beside {what}: PSNR in dB / SSIM", ["inversions", "calls", *heads], lines)
    if pictures is not None:
        _sheet(made, pictures / "fewer_calls.jpg")
    return found


def _cell(decibels: float, similarity: float) -> str:
    return "same" if decibels > 100 else f"{decibels:.1f} / {similarity:.3f}"


def _transfer(parts: tuple, content: str, style: str, setting: Setting):
    """(H, W, 3) in 0..1 with the paper's dials."""
    import run_nodes

    model, conditioning, vae = parts
    inverted, query, _ = run_nodes.invert(
        model, conditioning, {"samples": vae.encode(picture(content))}, **setting.inputs
    )
    style_kv, noise = run_nodes.capture(model, conditioning, {"samples": vae.encode(picture(style))}, **setting.inputs)
    samples = run_nodes.sample(model, conditioning, run_nodes.adain(inverted, noise), style_kv, query)
    return vae.decode(samples)[0].clamp(0, 1)


def _sheet(made: dict, path: Path) -> None:
    """A row a pair: content, style, and the pictures of SHEET."""
    import torch
    from cellstyle.contact_sheet.sheet import draw_sheet
    from PIL import Image

    cells = []
    for i, pair in enumerate(PAIRS):
        cells += [picture(name)[0].numpy() for name in pair] + [made[setting][i].numpy() for setting in SHEET]
    columns = ["content", "style", *(f"{2 * s.calls + s.steps} calls" for s in SHEET)]
    sheet = draw_sheet(cells, ["" for _ in PAIRS], columns, 256, " · ".join(map(str, SHEET)))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((torch.from_numpy(sheet).clamp(0, 1) * 255).round().byte().numpy()).save(path, quality=82)
    print(f"{path}\n", flush=True)
