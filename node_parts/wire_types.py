"""The pack's own wire types."""

from comfy_api.latest import io

STYLE_KV = io.Custom("STYLE_KV")
CONTENT_QUERY = io.Custom("CONTENT_QUERY")
SETTINGS = io.Custom("CELLSTYLE_SETTINGS")

CATEGORY = "CellStyle"
