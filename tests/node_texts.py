"""What the nodes say about themselves, in the forms that ComfyUI's front end reads: locale files and help lists."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCALES = ROOT / "locales"
HELP = ROOT / "web" / "docs"
CATEGORY = "CellStyle"
# headings of the generated lists, and the words in them
WORDS = {
    "en": {
        "inputs": "## Inputs",
        "outputs": "## Outputs",
        "default": "default",
        "optional": "optional",
        "to": " to ",
        "between": "; ",
    },
    "zh": {
        "inputs": "## 输入",
        "outputs": "## 输出",
        "default": "默认",
        "optional": "可不连",
        "to": " 到 ",
        "between": "；",
    },
}


def node_id(node) -> str:
    return node.GET_SCHEMA().node_id


def template_of(part):
    """(input, names) of an input that grows: what each of its sockets is, and what they are called."""
    template = getattr(part, "template", None)
    return (template.input, template.names) if hasattr(template, "names") else None


def english(nodes) -> dict:
    """nodeDefs.json in English: the schemas' own texts. The front end turns a dot in an input's name into `_`."""
    return {node_id(node): _english(node.GET_SCHEMA()) for node in nodes}


def _english(schema) -> dict:
    inputs = {}
    for part in schema.inputs:
        inputs[part.id] = {"name": part.id, "tooltip": part.tooltip}
        if grows := template_of(part):
            socket, names = grows
            inputs |= {f"{part.id}_{name}": {"name": name, "tooltip": socket.tooltip} for name in names}
    outputs = {str(i): {"name": o.display_name, "tooltip": o.tooltip} for i, o in enumerate(schema.outputs)}
    return {
        "display_name": schema.display_name,
        "description": schema.description,
        "inputs": inputs,
        "outputs": outputs,
    }


def locale(language: str, name: str = "nodeDefs") -> dict:
    return json.loads((LOCALES / language / f"{name}.json").read_text(encoding="utf-8"))


def as_json(value: dict) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def help_path(node, language: str) -> Path:
    """Where the front end looks: /extensions/<folder of the pack>/docs/<node id>/<language>.md."""
    return HELP / node_id(node) / f"{language}.md"


def with_lists(page: str, node, texts: dict, language: str) -> str:
    """A help page whose sections of inputs and outputs are made from the schema (ranges) and the locale (words).

    Lists and no tables: the panel beside the graph is narrower than a table with two columns of text.
    """
    schema, words = node.GET_SCHEMA(), WORDS[language]
    inputs = [
        _line(_socket_names(part), part.id, texts["inputs"][part.id], _facts(part, words)) for part in schema.inputs
    ]
    outputs = [
        _line("", part.display_name, texts["outputs"][str(i)], part.get_io_type())
        for i, part in enumerate(schema.outputs)
    ]
    for heading, lines in ((words["inputs"], inputs), (words["outputs"], outputs)):
        if lines:
            page = _replace_section(page, heading, "\n".join(lines))
    return page


def _line(more: str, name: str, text: dict, facts: str) -> str:
    known_as = f" {text['name']}" if not text["name"].startswith(name) else text["name"].removeprefix(name)
    return f"- **{name}**{known_as}{more}" + (f" *({facts})*" if facts else "") + f"<br>{text['tooltip']}"


def _socket_names(part) -> str:
    grows = template_of(part)
    return f", {grows[1][0]} … {grows[1][-1]}" if grows else ""


def _facts(part, words: dict) -> str:
    """Range, choices and default of a dial; the wire's type of a socket."""
    kind = part.get_io_type()
    default = getattr(part, "default", None)
    facts = []
    if kind == "BOOLEAN":
        facts = [f"{words['default']} {'on' if default else 'off'}"]
    elif kind in ("INT", "FLOAT"):
        facts = [f"{part.min:g}{words['to']}{part.max:g}", f"{words['default']} {default:g}"]
    elif kind == "COMBO" and default is not None:
        facts = [", ".join(part.options), f"{words['default']} {default}"]
    elif kind == "STRING" and not getattr(part, "force_input", None):
        facts = [f"{words['default']} {default}"] if default else []
    elif kind not in ("COMBO",):
        shown = template_of(part)[0].get_io_type() if template_of(part) else kind
        facts = [shown] + ([words["optional"]] if part.optional else [])
    return words["between"].join(facts)


def _replace_section(page: str, heading: str, body: str) -> str:
    before, found, after = page.partition(f"\n{heading}\n")
    if not found:
        raise ValueError(f'the page has no section "{heading}"')
    at = after.find("\n## ")
    rest = "" if at < 0 else after[at:]
    return f"{before}\n{heading}\n\n{body}\n{rest}"
