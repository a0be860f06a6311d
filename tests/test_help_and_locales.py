"""Every node has a help page and a translation, in English and Chinese, and they say what the nodes say.

The English locale and the lists of inputs and outputs in the help pages are generated. After a node changed:

    python3 tools/test.py tests/test_help_and_locales.py --update-golden

and, for a new input or node, its words in locales/zh/nodeDefs.json and its page in web/docs by hand.
"""

from __future__ import annotations

import ast
import json
import re
from functools import cache

import pytest
from cellstyle.nodes import NODES
from node_texts import CATEGORY, HELP, LOCALES, ROOT, WORDS, as_json, english, help_path, locale, node_id, with_lists
from places import ROOMS

LANGUAGES = tuple(WORDS)
# vue-i18n reads these as plurals, links and placeholders
SYNTAX = re.compile(r"[{}|@]")
CHINESE = re.compile(r"[\u4e00-\u9fff]")
WIRE_NAMES = ("VAE", "SSIM", "MS-SSIM", "LPIPS", "JSON", "CFG")

each_node = pytest.mark.parametrize("node", NODES, ids=node_id)
each_language = pytest.mark.parametrize("language", LANGUAGES)


@pytest.fixture(scope="module", autouse=True)
def updated(request):
    """With --update-golden: the generated parts, written anew."""
    if not request.config.getoption("--update-golden"):
        return
    (LOCALES / "en").mkdir(parents=True, exist_ok=True)
    (LOCALES / "en" / "nodeDefs.json").write_text(as_json(english(NODES)), encoding="utf-8")
    (LOCALES / "en" / "main.json").write_text(as_json({"nodeCategories": {CATEGORY: CATEGORY}}), encoding="utf-8")
    for node in NODES:
        for language in LANGUAGES:
            path = help_path(node, language)
            texts = locale(language)[node_id(node)]
            page = with_lists(path.read_text(encoding="utf-8"), node, texts, language)
            path.write_text(page, encoding="utf-8")


def leaves(value, path: str = ""):
    """(path, text) of everything in a locale file."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else key)
    else:
        yield path, value


def test_the_english_locale_says_what_the_nodes_say():
    assert locale("en") == english(NODES), "a node changed: run this file with --update-golden"


def test_the_chinese_locale_has_every_text_and_no_other():
    needed, present = dict(leaves(english(NODES))), dict(leaves(locale("zh")))
    assert not sorted(set(needed) - set(present)), "to be translated in locales/zh/nodeDefs.json"
    assert not sorted(set(present) - set(needed)), "no node has these any more: take them out of locales/zh"


def test_the_chinese_locale_is_in_chinese():
    left = [
        path
        for path, text in leaves(locale("zh"))
        if not CHINESE.search(text) and text not in WIRE_NAMES and not path.endswith("gamma.name")
    ]
    assert not left


@each_language
def test_locales_are_texts_that_the_front_end_shows_as_written(language):
    files = sorted((LOCALES / language).iterdir())
    assert [path.name for path in files] == ["main.json", "nodeDefs.json"]
    for path in files:
        for key, text in leaves(json.loads(path.read_text(encoding="utf-8"))):
            assert isinstance(text, str) and text.strip() == text != "", key
            assert not SYNTAX.search(text), f"{language} {key}: {text}"


@each_language
def test_the_category_has_a_name(language):
    categories = {node.GET_SCHEMA().category for node in NODES}
    assert set(locale(language, "main")["nodeCategories"]) == {part for c in categories for part in c.split("/")}


def test_there_are_no_locales_but_these():
    assert sorted(path.name for path in LOCALES.iterdir()) == sorted(LANGUAGES)


@each_language
@each_node
def test_help_page_explains_every_input_and_output(node, language):
    path = help_path(node, language)
    assert path.is_file(), f"{node_id(node)} has no help page in {language}"
    page = path.read_text(encoding="utf-8")
    texts = locale(language)[node_id(node)]
    assert page == with_lists(page, node, texts, language), "a node changed: run this file with --update-golden"
    title = page.splitlines()[0]
    assert title.startswith(f"# {texts['display_name']}")
    assert node.GET_SCHEMA().display_name in title
    schema = node.GET_SCHEMA()
    rows = [line for line in page.splitlines() if line.startswith("- **")]
    for name in [part.id for part in schema.inputs] + [part.display_name for part in schema.outputs]:
        assert any(row.startswith(f"- **{name}**") for row in rows), name


def test_no_help_page_without_a_node():
    expected = {help_path(node, language) for node in NODES for language in LANGUAGES}
    found = {path for path in HELP.rglob("*") if path.is_file() and path.suffix == ".md"}
    assert found == expected


@each_language
@each_node
def test_both_languages_have_the_same_sections_and_links(node, language):
    pages = [help_path(node, each).read_text(encoding="utf-8") for each in LANGUAGES]
    for pattern in (r"^#+ ", r"^- ", r"^\d\. ", r"`[^`]*`", r"\]\([^)]*\)"):
        counts = [re.findall(pattern, page, re.MULTILINE) for page in pages]
        assert len(counts[0]) == len(counts[1]), f"{pattern}: {counts}"
    assert re.findall(r"\]\(([^)]*)\)", pages[0]) == re.findall(r"\]\(([^)]*)\)", pages[1])


@each_language
@each_node
def test_links_and_pictures_of_help_pages_lead_somewhere(node, language):
    page = help_path(node, language).read_text(encoding="utf-8")
    for is_image, target in re.findall(r"(!?)\[[^\]]*\]\(([^)\s]+)[^)]*\)", page):
        if is_image:  # relative to docs/, wherever the page is
            assert (HELP / target).is_file(), target
        else:  # the front end leaves a relative link relative to its own page, where there is nothing
            assert target.startswith("https://"), target
    for target in re.findall(r"<(?:img|source|video)[^>]*\ssrc=['\"]([^'\"]+)", page):
        assert target.startswith("https://") or (HELP / target).is_file(), target


@cache
def sentences() -> list[str]:
    """Every text in the pack's code, what is filled in at run time as `…`."""
    found = []
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            for part in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(part, ast.JoinedStr):
                    found.append("".join(p.value if isinstance(p, ast.Constant) else "…" for p in part.values))
                elif isinstance(part, ast.Constant) and isinstance(part.value, str):
                    found.append(part.value)
    return found


@each_language
@each_node
def test_help_quotes_errors_that_the_code_has(node, language):
    """Bullets that begin with code are errors as they are on the screen."""
    page = help_path(node, language).read_text(encoding="utf-8")
    quotes = re.findall(r"^- `([^`]+)`", page, re.MULTILINE)
    for quote in quotes:
        # … stands for what is filled in at run time, and for a part left out
        pattern = re.compile(".{0,120}".join(re.escape(part) for part in quote.split("…")))
        assert any(pattern.search(sentence) for sentence in sentences()), f"no such error: {quote}"


@each_language
def test_pictures_of_the_help_pages_are_there_and_all_are_used(language):
    folder = HELP / "images"
    named = set()
    for node in NODES:
        text = help_path(node, language).read_text(encoding="utf-8")
        for label, path in re.findall(r"!\[(.*?)\]\((.*?)\)", text):
            assert label, path
            assert path.startswith("images/"), path
            named.add(path.removeprefix("images/"))
    assert named == {path.name for path in folder.iterdir()}
