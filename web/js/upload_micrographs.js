// Load Micrograph's upload button and its drop offer every format that the node reads. ComfyUI's own, for images,
// offers PNG, JPEG and WebP, and takes what a browser calls an image, which most micrographs are not.
import { app } from "../../../scripts/app.js"
import { api } from "../../../scripts/api.js"

const NODE = "CellStyleLoadMicrograph"
// the same as EXTENSIONS in node_parts/micrograph_files.py
const ENDS = [
  ".tif", ".tiff", ".btf", ".tf2", ".tf8", ".lsm", ".stk", ".gel", ".zif", ".svs", ".ndpi", ".scn", ".bif", ".qptiff",
  ".png", ".jpg", ".jpeg", ".jfif", ".jpe",
  ".czi", ".lif", ".oib", ".oif", ".mrc", ".mrcs", ".map", ".rec", ".st", ".ali", ".dm3", ".dm4", ".dcm", ".dicom",
]

const isMicrograph = (file) => ENDS.some((end) => file.name.toLowerCase().endsWith(end))

// The name under which ComfyUI keeps an uploaded file in its input folder.
async function upload(file) {
  const body = new FormData()
  body.append("image", file)
  const answer = await api.fetchApi("/upload/image", { method: "POST", body })
  if (answer.status !== 200) throw new Error(`${file.name}: ${answer.status} ${answer.statusText}`)
  const { name, subfolder } = await answer.json()
  return subfolder ? `${subfolder}/${name}` : name
}

async function take(node, combo, files) {
  const chosen = files.filter(isMicrograph)
  if (!chosen.length) return false
  try {
    for (const file of chosen) {
      const name = await upload(file)
      if (Array.isArray(combo.options.values) && !combo.options.values.includes(name)) combo.options.values.push(name)
      combo.value = name
    }
    combo.callback?.(combo.value)
  } catch (error) {
    app.extensionManager?.toast?.add({ severity: "error", summary: "Load Micrograph", detail: String(error) })
  }
  node.setDirtyCanvas?.(true, true)
  return true
}

function open(node, combo) {
  const picker = document.createElement("input")
  picker.type = "file"
  picker.accept = ENDS.join(",")
  picker.onchange = () => take(node, combo, [...picker.files])
  picker.click()
}

app.registerExtension({
  name: "CellStyle.UploadMicrographs",
  nodeCreated(node) {
    if (node.comfyClass !== NODE) return
    const combo = node.widgets?.find((widget) => widget.name === "file")
    const button = node.widgets?.find((widget) => widget.type === "button" && widget.name === "upload")
    if (!combo || !button) return
    button.callback = () => open(node, combo)
    button.options.canvasOnly = false // shown by both of the front end's renderers, whose own picker takes images alone
    const { onDragOver, onDragDrop } = node
    node.onDragOver = function (event) {
      return [...(event.dataTransfer?.items ?? [])].some((item) => item.kind === "file") || onDragOver?.apply(this, arguments)
    }
    node.onDragDrop = async function (event) {
      return (await take(node, combo, [...(event.dataTransfer?.files ?? [])])) || onDragDrop?.apply(this, arguments)
    }
  },
})
