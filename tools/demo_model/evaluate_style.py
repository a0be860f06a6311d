"""Style transfer in numbers: 3 contents x 4 styles, and the dials gamma and tau."""

from __future__ import annotations

import numpy as np
from evaluate_setup import Bench

GAMMAS = (0.0, 0.3, 0.5, 0.75, 1.0)
FLAT_SHARE = 0.4
PLAIN = {"gamma_curve": "constant", "adain_rate": 0.0, "flat_background": 0.0}  # a dial alone
TAUS = (1.0, 1.25, 1.5, 2.0)


def edges(picture: np.ndarray) -> np.ndarray:
    """Gradient magnitude of the lightly blurred luminance; (H, W, 3) -> (H, W)."""
    from scipy.ndimage import gaussian_filter, sobel

    grey = gaussian_filter(picture @ np.array([0.299, 0.587, 0.114]), 1)
    return np.hypot(sobel(grey, 0), sobel(grey, 1))


def edge_correlation(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.corrcoef(edges(x).ravel(), edges(y).ravel())[0, 1])


def local_contrast(picture: np.ndarray) -> float:
    """Root mean square of the luminance minus its blur (sigma 2)."""
    from scipy.ndimage import gaussian_filter

    grey = picture @ np.array([0.299, 0.587, 0.114])
    return float(np.sqrt(np.square(grey - gaussian_filter(grey, 2)).mean()))


def transfers(bench: Bench, contents: dict, styles: dict) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
    """(content, style) -> (transfer, AdaIN alone)."""
    return {
        (c, s): (
            bench.transfer((c, contents[c]), (s, styles[s])),
            bench.transfer((c, contents[c]), (s, styles[s]), inject=False),
        )
        for c in contents
        for s in styles
    }


def flat_contrast(content: np.ndarray, picture: np.ndarray) -> float:
    """Local contrast of a picture where the content is flat (its flattest FLAT_SHARE), over the content's own there.

    1 is a background as flat as the content's; strokes or speckle drawn into it raise it.
    """
    own = contrast_map(content)
    flat = own <= np.quantile(own, FLAT_SHARE)
    return float(contrast_map(picture)[flat].mean() / own[flat].mean())


def contrast_map(picture: np.ndarray) -> np.ndarray:
    """(H, W, 3) to (H, W): root mean square of what a blur takes from the luminance, around each pixel."""
    from scipy.ndimage import gaussian_filter

    grey = picture @ np.array([0.299, 0.587, 0.114])
    fine = grey - gaussian_filter(grey, 3)
    return np.sqrt(gaussian_filter(fine * fine, 6))


def judge(results: dict, contents: dict, styles: dict, perceptual) -> dict[str, float]:
    """Means over the pairs; colours in RGB, texture by local binary patterns and by VGG's Gram matrices, both of the
    luminance; how many of the pairs each names rightly, for the transfer and for the start alone (_adain)."""
    from cellstyle.fidelity.style import texture_distance

    colour = []
    for (c, s), (full, _) in results.items():
        mean = styles[s].mean(axis=(0, 1))
        before = np.linalg.norm(contents[c].mean(axis=(0, 1)) - mean)
        colour.append(1 - np.linalg.norm(full.mean(axis=(0, 1)) - mean) / before)
    found = {"colour_fall": float(np.mean(colour)), "colour_fall_worst": float(np.min(colour))}
    for name, distance in (("texture", texture_distance), ("perceptual", perceptual.style_distance)):
        for which, suffix in ((0, ""), (1, "_adain")):
            table = {
                pair: {style: distance(made[which], y) for style, y in styles.items()} for pair, made in results.items()
            }
            found[f"{name}{suffix}"] = float(np.mean([row[pair[1]] for pair, row in table.items()]))
            found[f"{name}_named{suffix}"] = sum(min(row, key=row.get) == pair[1] for pair, row in table.items())
    return found


def dials(bench: Bench, contents: dict, styles: dict) -> tuple[dict[str, dict[float, float]], dict[float, np.ndarray]]:
    """Edge correlation by gamma and local contrast by tau (means over the pairs), and one pair's pictures by gamma.

    Both without a gamma curve and without AdaIN at every step, which holds the contrast too.
    """
    pairs = [(c, next(iter(styles))) for c in contents]
    by_gamma, by_tau, shown = {}, {}, {}
    tissue_and_tem = [name for name in contents if name != "cell"]
    for gamma in GAMMAS:
        pictures = {
            (c, s): bench.transfer((c, contents[c]), (s, styles[s]), **PLAIN, gamma=gamma, gamma_end=gamma)
            for c, s in pairs
        }
        correlations = {pair: edge_correlation(contents[pair[0]], picture) for pair, picture in pictures.items()}
        by_gamma[gamma] = float(np.mean(list(correlations.values())))
        shown[gamma] = pictures[pairs[0]]
        if gamma == 0.75:
            kept = min(value for (c, _), value in correlations.items() if c in tissue_and_tem)
    for tau in TAUS:
        dials = {**PLAIN, "gamma": 0.75, "gamma_end": 0.75, "tau": tau}
        made = [bench.transfer((c, contents[c]), (s, styles[s]), **dials) for c, s in pairs]
        by_tau[tau] = float(np.mean([local_contrast(picture) for picture in made]))
    return {"gamma": by_gamma, "tau": by_tau, "kept": {0.75: kept}}, shown
