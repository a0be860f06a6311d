"""The pack's nodes; each has a file of its own."""

from comfy_api.latest import ComfyExtension

from ..node_parts.guard import guarded
from ..node_parts.picture_route import add_picture_route
from .apply_style import CellStyleApply
from .blend_styles import CellStyleBlend
from .compose import CellStyleCompose
from .ddim_invert import DDIMInvert
from .fidelity import CellStyleFidelity
from .foreground import CellStyleForeground
from .injected_sampler import InjectedSampler
from .latent_adain import LatentAdaIN
from .load_demo_model import CellStyleLoadDemoModel
from .load_example import CellStyleLoadExample
from .load_folder import CellStyleLoadFolder
from .load_micrograph import CellStyleLoadMicrograph
from .load_style import CellStyleLoad
from .preset import CellStylePreset
from .restore_size import CellStyleRestoreSize
from .save_style import CellStyleSave
from .steady_frames import CellStyleSteadyFrames
from .style_kv_capture import StyleKVCapture
from .style_settings import CellStyleSettings
from .sweep import CellStyleSweep
from .tiled_transfer import CellStyleTiledTransfer
from .transfer import CellStyleTransfer
from .transfer_frames import CellStyleTransferFrames

_CLASSES = [
    DDIMInvert,
    LatentAdaIN,
    StyleKVCapture,
    InjectedSampler,
    CellStyleApply,
    CellStyleBlend,
    CellStyleFidelity,
    CellStyleLoadMicrograph,
    CellStyleRestoreSize,
    CellStyleSettings,
    CellStyleSave,
    CellStyleLoad,
    CellStyleSweep,
    CellStyleTransfer,
    CellStyleLoadDemoModel,
    CellStyleLoadExample,
    CellStylePreset,
    CellStyleLoadFolder,
    CellStyleForeground,
    CellStyleCompose,
    CellStyleTiledTransfer,
    CellStyleTransferFrames,
    CellStyleSteadyFrames,
]
NODES = [guarded(node) for node in _CLASSES]


class CellStyleExtension(ComfyExtension):
    async def on_load(self):
        add_picture_route()

    async def get_node_list(self):
        return NODES
