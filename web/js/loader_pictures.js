// Load Example Picture and Load Micrograph show the picture that they name at once, before any run.
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";

// the widgets by which a loader names its picture
const NAMING = {
  CellStyleLoadExample: ["picture"],
  CellStyleLoadMicrograph: ["file", "example"],
};

function naming(node) {
  const names = NAMING[node.comfyClass] ?? [];
  return (node.widgets ?? []).filter((widget) => names.includes(widget.name));
}

function query(node) {
  return new URLSearchParams(naming(node).map((widget) => [widget.name, widget.value ?? ""])).toString();
}

async function show(node) {
  const asked = query(node);
  const names = naming(node).some((widget) => widget.value && widget.value !== "none");
  if (!names || node.cellstyleShown === asked || node.graph !== app.graph) return;
  node.cellstyleShown = asked;
  const answer = await api.fetchApi(`/cellstyle/picture?${asked}`);
  if (!answer.ok || query(node) !== asked || node.graph !== app.graph) return; // none, or another was chosen since
  const id = String(node.id);
  // as if the node had run: drawn in both ways that the front end has, and replaced by what it shows after a run
  api.dispatchCustomEvent("executed", { node: id, display_node: id, output: await answer.json() });
  app.canvas.setDirty(true, true);
}

// A second Load Example Picture starts with a style: two of the same picture are nothing to transfer.
function startWithAnother(node) {
  if (node.comfyClass !== "CellStyleLoadExample") return;
  const [widget] = naming(node);
  const taken = app.graph.nodes.filter((other) => other.comfyClass === node.comfyClass);
  const values = taken.flatMap((other) => naming(other).map((each) => each.value));
  if (!widget || !values.includes(widget.value)) return;
  const free = (widget.options?.values ?? []).filter((value) => !values.includes(value));
  widget.value = free.find((value) => value.startsWith("style_")) ?? free[0] ?? widget.value;
}

app.registerExtension({
  name: "cellstyle.loaderPictures",
  nodeCreated(node) {
    if (!(node.comfyClass in NAMING)) return;
    startWithAnother(node); // a saved value, if there is one, is set after this
    for (const widget of naming(node)) {
      const before = widget.callback;
      widget.callback = function (...values) {
        const result = before?.apply(this, values);
        show(node);
        return result;
      };
    }
    setTimeout(() => show(node)); // when it is part of the graph
  },
  loadedGraphNode(node) {
    if (node.comfyClass in NAMING) setTimeout(() => show(node));
  },
});
