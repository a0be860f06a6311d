"""All content families: name -> f(rng, height, width) -> (H, W, 3) float32 in 0..1."""

from contents_em import golgi, tem_chloroplast, tem_organelles
from contents_fluorescence import fluorescence
from contents_light import plant_cells, tissue
from contents_lone import lone_cells

CONTENTS = {
    "fluorescence": fluorescence,
    "tissue": tissue,
    "plant_cells": plant_cells,
    "tem_organelles": tem_organelles,
    "tem_chloroplast": tem_chloroplast,
    "golgi": golgi,
    "lone_cells": lone_cells,
}
