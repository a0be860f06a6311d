"""A node is called the same everywhere: README, documents, help pages, locales, notes and titles of the templates."""

from __future__ import annotations

import json
import re

import pytest
from cellstyle.nodes import NODES
from places import ROOT

TITLES = {node.GET_SCHEMA().display_name for node in NODES}
NAME = r"[A-Z][A-Za-z/0-9]*(?: (?:of )?[A-Z][A-Za-z/0-9]*)+"
# in bold or italics, beside the pack's own titles: nodes of ComfyUI, and what its menus call things
OTHERS = {
    "CLIP Text Encode",
    "Invert Image",
    "Load Checkpoint",
    "Load Image",
    "Save Image",
    "Create Video",
    "Save Video",
}
OTHERS |= {"Browse Templates"}
FILES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").glob("*.md"),
    *(ROOT / "web" / "docs").glob("*/*.md"),
    *(ROOT / "locales").glob("*/*.json"),
    *(ROOT / "workflows").glob("*.json"),
    *(ROOT / "subgraphs").glob("*.json"),
]


def mistaken(text: str) -> set[str]:
    """Names made of a title's words that are no part of a title, and names in bold or italics that are no title."""
    runs = [name.split() for name in re.findall(NAME, text)]
    spans = [(words, start, end) for words in runs for start in range(len(words)) for end in range(start + 2, 9)]
    named = {" ".join(words[start:end]) for words, start, end in spans if end <= len(words)}
    marked = set(re.findall(rf"(?<!\*)\*{{1,2}}({NAME})\*{{1,2}}(?!\*)", text))
    twisted = {
        name
        for name in named
        if any(set(name.split()) <= set(title.split()) for title in TITLES) and not any(name in t for t in TITLES)
    }
    return (twisted | marked) - TITLES - OTHERS


@pytest.mark.parametrize("file", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_titles_are_the_nodes_own(file):
    assert mistaken(file.read_text(encoding="utf-8")) == set()


def test_another_order_or_a_part_of_a_title_is_seen():
    assert mistaken("Use Apply Style, then Restore Size.") == {"Apply Style", "Restore Size"}
    assert mistaken("**Cell Style Blender** and **Cell Style Blend**, *Load Image*") == {"Cell Style Blender"}


def test_the_readme_names_every_node_and_the_english_locale_calls_them_so():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert {title for title in TITLES if f"**{title}**" not in readme} == set()
    english = json.loads((ROOT / "locales" / "en" / "nodeDefs.json").read_text(encoding="utf-8"))
    assert {texts["display_name"] for texts in english.values()} == TITLES
