"""Runs the graph that a node expands to, in this process."""

from __future__ import annotations

from cellstyle.nodes import NODES


def run_expansion(output, outer: dict):
    """The first value of a NodeOutput that has `expand`; outer: values by the names that its links lead out to."""
    import nodes  # ComfyUI's own

    classes = {**nodes.NODE_CLASS_MAPPINGS, **{node.GET_SCHEMA().node_id: node for node in NODES}}
    done = {(name, 0): value for name, value in outer.items()}

    def value(link):
        name, index = link
        if (name, index) not in done:
            node = output.expand[name]
            inputs = {key: value(given) if isinstance(given, list) else given for key, given in node["inputs"].items()}
            made = classes[node["class_type"]]
            if hasattr(made, "GET_SCHEMA"):
                results = made.execute(**inputs).result
            else:
                results = getattr(made(), made.FUNCTION)(**inputs)
            done.update({(name, i): result for i, result in enumerate(results)})
        return done[name, index]

    return value(output.result[0])
