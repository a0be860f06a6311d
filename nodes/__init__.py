"""The pack's nodes; each has a file of its own."""

from comfy_api.latest import ComfyExtension

from .ddim_invert import DDIMInvert
from .injected_sampler import InjectedSampler
from .latent_adain import LatentAdaIN
from .style_kv_capture import StyleKVCapture

NODES = [
    DDIMInvert,
    LatentAdaIN,
    StyleKVCapture,
    InjectedSampler,
]


class CellStyleExtension(ComfyExtension):
    async def get_node_list(self):
        return NODES
