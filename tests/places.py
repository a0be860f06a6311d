"""Where things are in the checkout, for the tests. (conftest.py acts on import, so no test may import that one.)"""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUPPORT = ROOT / "tests" / "support"
TEST_NODES = SUPPORT / "comfy_test_nodes"
# the folders of the pack's own code, as CONTRIBUTING.md's table lists them
ROOMS = (
    *("nodes", "node_parts", "engine", "attention_patch", "features", "equations", "common"),
    *("micrograph", "fidelity", "style_file", "contact_sheet", "demo_model"),
)
