"""CellStyle: training-free style transfer for cellular images in ComfyUI."""

import re

WEB_DIRECTORY = "./web"
OLDEST_COMFYUI = (0, 16, 3)


def _refuse_older_comfyui() -> None:
    """ImportError on a ComfyUI that is too old: it logs this sentence, where it would only say what it lacks."""
    try:
        from comfyui_version import __version__ as version
    except ImportError:
        return  # without ComfyUI, as in tools
    numbers = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    if numbers and tuple(map(int, numbers.groups())) < OLDEST_COMFYUI:
        oldest = ".".join(map(str, OLDEST_COMFYUI))
        raise ImportError(f"CellStyle needs ComfyUI {oldest} or newer, and this is {version}: please update ComfyUI.")


_refuse_older_comfyui()


async def comfy_entrypoint():
    """ComfyUI's V3 entry point: the pack's nodes. Nothing is imported or changed before this is called."""
    from .nodes import CellStyleExtension

    return CellStyleExtension()
