"""Node ids, inputs, their order, types and defaults are a public contract: append only.

After an intended addition: python3 tools/test.py tests/test_schema.py --update-golden, and read the diff: nothing that
is already in the file may change or move.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cellstyle.nodes import NODES
from style_files import style_folder_in

GOLDEN = Path(__file__).parent / "golden" / "schema.json"


def described(node) -> dict:
    """What a saved workflow depends on."""
    schema = node.GET_SCHEMA()
    info = schema.get_v1_info(node)
    inputs = []
    for group in ("required", "optional"):
        for name in info.input_order.get(group, []):
            kind, *rest = info.input[group][name]
            options = rest[0] if rest else {}
            entry = {"name": name, "group": group, "type": "COMBO" if isinstance(kind, list) else kind}
            choices = kind if isinstance(kind, list) else options.get("options")
            if choices is not None and not options.get("image_upload"):
                entry["options"] = list(choices)
            entry |= {key: options[key] for key in ("default", "min", "max", "step") if key in options}
            inputs.append(entry)
    return {
        "inputs": inputs,
        "outputs": [{"name": name, "type": kind} for name, kind in zip(info.output_name, info.output, strict=True)],
    }


def test_the_contract_is_kept(request, tmp_path, monkeypatch):
    style_folder_in(tmp_path, monkeypatch)  # empty: what somebody has saved is not part of the contract
    now = {node.GET_SCHEMA().node_id: described(node) for node in NODES}
    if request.config.getoption("--update-golden"):
        GOLDEN.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert now == golden, "a node changed: only additions at the end are allowed, with --update-golden"


def test_the_four_names_are_fixed_and_every_other_id_has_the_prefix():
    ids = [node.GET_SCHEMA().node_id for node in NODES]
    assert {"DDIMInvert", "LatentAdaIN", "StyleKVCapture", "InjectedSampler"} <= set(ids)
    assert all(
        i.startswith("CellStyle") for i in set(ids) - {"DDIMInvert", "LatentAdaIN", "StyleKVCapture", "InjectedSampler"}
    )
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.__name__)
def test_everything_has_a_tooltip_and_can_be_found(node):
    schema = node.GET_SCHEMA()
    for part in (*schema.inputs, *schema.outputs):
        assert part.tooltip, f"{schema.node_id}: {part.id or part.display_name} has no tooltip"
    assert schema.description
    assert schema.display_name
    assert schema.search_aliases
    assert schema.category.split("/")[0] == "CellStyle"


def test_nothing_but_a_look_at_comfyuis_version_happens_on_import():
    import ast

    body = ast.parse((Path(__file__).parent.parent / "__init__.py").read_text(encoding="utf-8")).body
    does = [s for s in body if not isinstance(s, (ast.Assign, ast.FunctionDef, ast.AsyncFunctionDef))]
    assert [ast.unparse(statement) for statement in does[1:]] == ["import re", "_refuse_older_comfyui()"]
