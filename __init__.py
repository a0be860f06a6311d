"""CellStyle: training-free style transfer for cellular images in ComfyUI."""

WEB_DIRECTORY = "./web"


async def comfy_entrypoint():
    """ComfyUI's V3 entry point: the pack's nodes. Nothing is imported or changed before this is called."""
    from .nodes import CellStyleExtension

    return CellStyleExtension()
