#!/usr/bin/env python3
"""Write workflows/*.json and subgraphs/*.json (for the front end) and workflows/api/*.json (for the server).

    python tools/workflows/make_workflows.py [--check]

--check writes nothing and fails when a file is not what its description makes.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from cell_style_blueprint import cell_style_transfer
from cell_style_workflows import demo, sd15, sdxl
from controlled_workflow import sd15_lora_controlnet
from finer_workflows import finer_dials
from fluorescence_workflow import fluorescence_on_black
from folder_workflow import folder
from start_workflow import start
from studio_workflows import any_sampler, micrograph_fidelity, sd15_upscaled
from style_workflows import gamma_tau_sheet, style_library, style_presets, two_styles_by_mask
from time_lapse_workflow import time_lapse_to_video
from transformer_workflows import flux2_klein, qwen_image, zimage
from workflow_nodes import ROOT

WORKFLOWS = [start, demo, sd15, sdxl, style_library, gamma_tau_sheet, two_styles_by_mask, style_presets]
WORKFLOWS += [sd15_upscaled, any_sampler, micrograph_fidelity, finer_dials, sd15_lora_controlnet]
WORKFLOWS += [zimage, flux2_klein, qwen_image, fluorescence_on_black, folder, time_lapse_to_video]
FOLDER, SUBGRAPHS = ROOT / "workflows", ROOT / "subgraphs"


def made() -> dict[Path, str]:
    """The text of every file, by its path."""
    files = {}
    for describe in WORKFLOWS:
        graph = describe()
        files[FOLDER / f"{graph.name}.json"] = _text(graph.ui())
        files[FOLDER / "api" / f"{graph.name}.json"] = _text(graph.api())
    blueprint = cell_style_transfer()
    files[SUBGRAPHS / f"{blueprint.graph.name}.json"] = _text(blueprint.ui())
    return files


def _text(value: dict) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def outdated() -> list[Path]:
    """The files that differ from what their descriptions make."""
    return [path for path, text in made().items() if not path.is_file() or path.read_text(encoding="utf-8") != text]


def main(arguments: list[str] | None = None) -> int:
    """Write the files, or look whether they are up to date."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say which files are not up to date")
    check = parser.parse_args(arguments).check
    files, old = made(), outdated()
    for path in old:
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path], encoding="utf-8", newline="\n")
        print(f"{'out of date' if check else 'written'}: {path.relative_to(ROOT)}")
    if not old:
        print("Every workflow is up to date.")
    return 1 if check and old else 0


if __name__ == "__main__":
    sys.exit(main())
