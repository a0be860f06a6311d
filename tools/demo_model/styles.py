"""The style families of the image generator, by name: f(rng, height, width) -> (H, W, 3) float32 in 0..1."""

from styles_glass import mosaic, stained_glass
from styles_lines import contours, halftone, marbling
from styles_paint import impression, ink_wash
from styles_pattern import mural, porcelain
from styles_relief import durian, embroidery
from styles_wave import woodblock

STYLES = {
    "porcelain": porcelain,
    "ink_wash": ink_wash,
    "impression": impression,
    "mural": mural,
    "durian": durian,
    "woodblock": woodblock,
    "mosaic": mosaic,
    "stained_glass": stained_glass,
    "embroidery": embroidery,
    "contours": contours,
    "marbling": marbling,
    "halftone": halftone,
}
