"""Measures the demo model against its bars and draws the pictures of its card.

    python tools/demo_model/evaluate.py [--only PART ...]   # autoencoder, round_trip, ..., see --help

Everything runs through the pack's own nodes on the exported weights, with fixed seeds. Writes docs/images/demo_model.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from evaluate_attention import entropies
from evaluate_reference import reading, wrong_minus_right
from evaluate_setup import PAPER, Bench, contents, preset, psnr, styles
from evaluate_style import PLAIN, dials, flat_contrast, judge, transfers
from perceptual import Perceptual
from PIL import Image
from train_paths import ROOT, WEIGHTS, WORK

RECIPES = ("balanced", "painterly", "faithful", "paper")
PICTURES = ROOT / "docs" / "images" / "demo_model"
ROWS: list[dict] = []


def row(what: str, bar: str, value: str, met: bool | None) -> None:
    met = None if met is None else bool(met)
    ROWS.append({"what": what, "bar": bar, "value": value, "met": met})
    print(f"| {what} | {bar} | {value} | {'' if met is None else 'yes' if met else 'no'} |", flush=True)


def sheet(rows: list[list[np.ndarray]], name: str, size: int = 160) -> None:
    """Pictures (H, W, 3) in 0..1, side by side and below one another, as docs/images/demo_model/<name>.jpg."""
    tiles = [[np.asarray(_small(picture, size)) for picture in line] for line in rows]
    whole = np.concatenate([np.concatenate(line, axis=1) for line in tiles])
    PICTURES.mkdir(parents=True, exist_ok=True)
    Image.fromarray(whole).save(PICTURES / f"{name}.jpg", quality=88)


def _small(picture: np.ndarray, size: int) -> Image.Image:
    return Image.fromarray((np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)).resize((size, size), Image.LANCZOS)


def autoencoder(bench: Bench) -> None:
    import dataset
    from skimage import data

    pictures, names = dataset.load(held_out=True)
    values = [psnr(bench.decode(bench.encode(p / 255)["samples"]), p / 255) for p in pictures[:96]]
    row("autoencoder, held-out pictures, mean", ">= 26 dB", f"{np.mean(values):.2f} dB", np.mean(values) >= 26)
    tissue = data.immunohistochemistry() / 255
    value = psnr(bench.decode(bench.encode(tissue)["samples"]), tissue)
    row("autoencoder, tissue section", ">= 24 dB", f"{value:.2f} dB", value >= 24)
    values, names = np.array(values), names[:96]
    by_family = {name: values[names == name].mean() for name in sorted(set(names))}
    print("  by family:", ", ".join(f"{n} {v:.1f}" for n, v in by_family.items()))
    worst = np.argsort(values)[:4]
    originals = [pictures[i] / 255 for i in worst]
    sheet([originals, [bench.decode(bench.encode(p)["samples"]) for p in originals]], "autoencoder_worst")


def round_trip(bench: Bench) -> None:
    fast = {name: preset("balanced").inversion[name] for name in ("solver", "spacing")}
    for solver, how in (("by DDIM, the paper's solver", {}), (f"{fast['solver']}, {fast['spacing']}", fast)):
        for steps, refinement, bar in ((50, 0, 36), (10, 1, 40)):
            given = {"steps": steps, "refinement": refinement, **how}
            each = {name: bench.round_trip(p, **given) for name, p in contents().items()}
            value = np.mean(list(each.values()))
            text = f"{value:.2f} dB ({', '.join(f'{name} {v:.1f}' for name, v in each.items())})"
            row(f"round trip, {steps} steps, {refinement} refinements, {solver}", f">= {bar} dB", text, value >= bar)


def samples(bench: Bench) -> None:
    import comfy.sample
    import dataset
    from evaluate_classifier import CONFIDENT, FamilyClassifier

    noise = torch.randn(8, 16, 32, 32, generator=torch.Generator().manual_seed(5))
    latents = comfy.sample.sample(
        *(bench.model, noise, 30, 1.0, "euler", "normal"),
        *(bench.conditioning, bench.conditioning, torch.zeros_like(noise)),
        disable_pbar=True,
        seed=5,
    )
    pictures = [bench.decode(z[None]) for z in latents]
    sheet([pictures[:4], pictures[4:]], "samples")
    row("unconditional samples", "look like the families", "see samples.jpg", None)
    known, names = dataset.load()
    known, names = known[::3], names[::3]
    drawn = np.isin(names, list({**dataset.families()["contents"], **dataset.families()["styles"]}))
    classify = FamilyClassifier(known[drawn], names[drawn])
    held_out, truth = dataset.load(held_out=True)
    right = np.mean(np.array(classify([p / 255 for p in held_out])[0]) == truth)
    found, confidence = classify(pictures)
    share = np.mean(confidence >= CONFIDENT)
    nothing = [np.random.default_rng(i).random((256, 256, 3)) for i in range(8)]  # must not pass for a family
    control = np.mean(classify(nothing)[1] >= CONFIDENT)
    text = f"{share:.0%} of {len(pictures)} (white noise {control:.0%}; right on {right:.0%} of held-out pictures)"
    what = f"samples with a family at confidence >= {CONFIDENT}"
    row(what, ">= 60 %, noise fewer", text, share >= 0.6 and control < share)
    print("  samples:", ", ".join(f"{n} {c:.2f}" for n, c in zip(found, confidence, strict=True)))


def attention(bench: Bench) -> None:
    found = entropies(bench, list(contents().values()))
    mean = np.mean(list(found.values()))
    value = f"{mean:.3f} ({', '.join(f'{v:.2f}' for v in found.values())})"
    row("attention entropy, blocks 6..11", "<= 0.75", value, mean <= 0.75)


def reference(bench: Bench) -> None:
    import dataset

    pictures, _ = dataset.load(held_out=True)
    found = reading(bench, pictures[:24] / np.float32(255))
    for level, bar in ((0.7, 0.8), (3.0, 0.3)):
        errors = found[level]
        value = wrong_minus_right(errors)
        text = f"{value:.0%} ({', '.join(f'{name} {error:.3f}' for name, error in errors.items())})"
        row(f"wrong minus right reference, noise level {level:g}", f">= {bar:.0%}", text, value >= bar)


def style(bench: Bench) -> None:
    given, wanted = contents(), styles()
    results = transfers(bench, given, wanted)
    blank = np.ones((8, 8, 3), np.float32)
    sheet([[blank, *wanted.values()]] + [[given[c], *(results[c, s][0] for s in wanted)] for c in given], "transfers")
    sheet([[blank, *wanted.values()]] + [[given[c], *(results[c, s][1] for s in wanted)] for c in given], "adain_alone")
    found = judge(results, given, wanted, Perceptual())
    colour, worst = found["colour_fall"], found["colour_fall_worst"]
    text = f"{colour:.0%} (worst pair {worst:.0%})"
    row("mean colour comes nearer", ">= 90 %, worst >= 75 %", text, colour >= 0.9 and worst >= 0.75)
    named, alone = found["perceptual_named"], found["perceptual_named_adain"]
    row("right style by VGG's Gram matrices", ">= 9 of 12", f"{named} (start alone {alone})", named >= 9)
    text = f"{found['perceptual']:.3f} (start alone {found['perceptual_adain']:.3f})"
    row("their distance to the style", "below the start's", text, found["perceptual"] < found["perceptual_adain"])
    text = f"{found['texture']:.3f} (start alone {found['texture_adain']:.3f})"
    row("texture distance (LBP)", "below the start's", text, found["texture"] < found["texture_adain"])
    named, alone = found["texture_named"], found["texture_named_adain"]
    row("right style by LBP", "", f"{named} (start alone {alone})", None)


def flat(bench: Bench) -> None:
    cell = contents()["cell"]
    for start in (bench.recipe.start, "before inversion"):
        for name, picture in styles().items():
            value = flat_contrast(cell, bench.transfer(("cell", cell), (name, picture), inject=False, start=start))
            row(
                f"contrast in the cell's flat field, start {start} alone, {name}",
                "<= 1.6",
                f"{value:.1f}",
                value <= 1.6,
            )
    for name, picture in styles().items():
        pair = ("cell", cell), (name, picture)
        paper = flat_contrast(cell, bench.transfer(*pair, start="global", **PAPER.dials, **PLAIN))
        value = flat_contrast(cell, bench.transfer(*pair))
        text = f"{value:.2f} ({value / paper:.2f} of {paper:.1f})"
        row(f"the same after the injection, of the paper's, {name}", "< half", text, value < paper / 2)


def the_dials(bench: Bench) -> None:
    given, wanted = contents(), styles()
    found, shown = dials(bench, given, wanted)
    sheet([list(shown.values())], "gamma")
    gamma, tau = found["gamma"], found["tau"]
    values = list(gamma.values())
    rising = all(b > a for a, b in pairwise(values))
    span = gamma[0.75] - gamma[0.3]
    row("edge correlation, gamma .75 - .3", ">= 0.08", f"{span:.3f}", span >= 0.08)
    row("edge correlation over gamma", "rises", ", ".join(f"{k}: {v:.3f}" for k, v in gamma.items()), rising)
    kept = found["kept"][0.75]
    row("edge correlation at .75, tissue and TEM, worst", ">= 0.6", f"{kept:.3f}", kept >= 0.6)
    values = list(tau.values())
    rising = all(b > a for a, b in pairwise(values))
    row("local contrast over tau", "rises", ", ".join(f"{k}: {v:.4f}" for k, v in tau.items()), rising)
    row("local contrast, tau 2 / tau 1", ">= 1.08", f"{tau[2.0] / tau[1.0]:.3f}", tau[2.0] / tau[1.0] >= 1.08)


def speed(bench: Bench) -> None:
    for size, limit in ((256, 30), (512, 180)):
        bench.inverted.clear()
        bench.made.clear()
        given, wanted = contents(size), styles(size)
        start = time.monotonic()
        bench.transfer(("tissue", given["tissue"]), ("porcelain", wanted["porcelain"]))
        seconds = time.monotonic() - start
        row(f"a transfer at {size}x{size}, shipped settings", f"<= {limit} s", f"{seconds:.1f} s", seconds <= limit)


PARTS = {
    "autoencoder": autoencoder,
    "round_trip": round_trip,
    "samples": samples,
    "attention": attention,
    "reference": reference,
    "style": style,
    "flat": flat,
    "dials": the_dials,
    "speed": speed,
}


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--recipe", choices=RECIPES, default="balanced", help="a preset, or the paper's")
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--output", type=Path, default=WORK / "evaluation.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    recipe = PAPER if options.recipe == "paper" else preset(options.recipe)
    bench = Bench(recipe, options.weights)
    print("| what | bar | measured | met |\n| --- | --- | --- | --- |")
    for part in options.only:
        PARTS[part](bench)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(ROWS, indent=1))


if __name__ == "__main__":
    main()
