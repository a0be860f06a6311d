"""CellStyleTransfer: the whole graph in one node."""

from __future__ import annotations

from comfy_api.latest import io
from comfy_execution.graph_utils import GraphBuilder

from ..node_parts.dial_inputs import flat_background_input
from ..node_parts.inversion_inputs import conditioning_input
from ..node_parts.presets import CUSTOM, TransferDials, chosen_dials, preset_inputs
from ..node_parts.wire_types import CATEGORY
from .ddim_invert import DDIMInvert
from .injected_sampler import InjectedSampler
from .latent_adain import BEFORE_INVERSION, MODES, NOISE_PRESERVING, LatentAdaIN
from .style_kv_capture import StyleKVCapture
from .style_settings import CellStyleSettings


class CellStyleTransfer(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        shown = {i.id: i for node in (DDIMInvert, InjectedSampler) for i in node.define_schema().inputs}
        return io.Schema(
            node_id="CellStyleTransfer",
            display_name="Cell Style Transfer",
            category=CATEGORY,
            description=(
                "Content image and style image in, stylised image out: DDIM Invert, Style K/V Capture, Latent AdaIN "
                "and Injected Sampler in one node. Turning gamma or tau samples again without inverting again."
            ),
            search_aliases=["style transfer", "StyleID", "stylize image", "cell style", "all in one", "one node"],
            enable_expand=True,
            inputs=[
                # raw links: the inner nodes keep their results as long as what they are linked to stays the same
                io.Model.Input(
                    "model",
                    raw_link=True,
                    tooltip=(
                        "SD 1.x, SD 2.x, SDXL, or a flow-matching transformer: Flux, Chroma, Z-Image, Qwen-Image, "
                        "SD 3.5, Krea 2, Anima and more."
                    ),
                ),
                conditioning_input(raw_link=True),
                io.Vae.Input("vae", raw_link=True, tooltip="The VAE of the model."),
                io.Image.Input("content", raw_link=True, tooltip="The micrograph whose structure is kept."),
                io.Image.Input(
                    "style",
                    raw_link=True,
                    tooltip="The picture whose texture and colours are taken; any size. One, or one a content image.",
                ),
                shown["gamma"],
                shown["tau"],
                shown["steps"],
                shown["refinement"],
                shown["solver"],
                shown["spacing"],
                *preset_inputs(),
                io.Combo.Input(
                    "start",
                    options=list(MODES),
                    default=NOISE_PRESERVING,
                    optional=True,
                    advanced=True,
                    tooltip=(
                        "How the content's noise takes the style's colours before the sampling. noise-preserving keeps "
                        "flat backgrounds flatter; before inversion keeps them flat even where nothing is injected, "
                        "and inverts the content anew for each style; global is the paper's, patch follows the "
                        "style's layout."
                    ),
                ),
                flat_background_input("1 is usual, and what the presets take; 0 is off.", advanced=True),
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="The content in the style's texture and colours.")],
        )

    @classmethod
    def execute(
        cls,
        model,
        conditioning,
        vae,
        content,
        style,
        gamma,
        tau,
        steps,
        refinement,
        # where a prompt does not name them, they are what they were before they could be named
        solver="ddim",
        spacing="leading",
        preset=CUSTOM,
        speed=CUSTOM,
        start="global",
        flat_background=0.0,
    ):
        own = TransferDials(
            *(gamma, tau),
            gamma_end=gamma,
            start=start,
            steps=steps,
            solver=solver,
            spacing=spacing,
            flat_background=flat_background,
        )
        dials = chosen_dials(preset, speed, own)
        graph = GraphBuilder()
        shared = {"model": model, "conditioning": conditioning}

        def add(name: str, node, **inputs):
            return graph.node(node.define_schema().node_id, name, **{**_defaults(node), **inputs})

        pass_inputs = {
            **shared,
            "steps": dials.steps,
            "refinement": refinement,
            "solver": dials.solver,
            "spacing": dials.spacing,
        }
        encode_content = graph.node("VAEEncode", "content", pixels=content, vae=vae)
        encode_style = graph.node("VAEEncode", "style", pixels=style, vae=vae)
        capture = add("capture", StyleKVCapture, latent=encode_style.out(0), **pass_inputs)

        def adain(of_content, of_style):
            inputs = {"content": of_content, "style": of_style, "strength": dials.strength, "mode": dials.start}
            return add("adain", LatentAdaIN, **inputs).out(0)

        latent, before = encode_content.out(0), dials.start == BEFORE_INVERSION
        if before:
            latent = adain(latent, encode_style.out(0))
        invert = add("invert", DDIMInvert, latent=latent, **pass_inputs)
        start = invert.out(0) if before else adain(invert.out(0), capture.out(1))
        finer = {}
        if dials.adain_rate or dials.flat_background:
            named = ("adain_rate", "adain_end", "flat_background")
            finer = {name: getattr(dials, name) for name in named}
            finer = {"settings": add("settings", CellStyleSettings, **finer).out(0)}
        sampled = add(
            "sample",
            InjectedSampler,
            **shared,
            latent=start,
            style_kv=capture.out(0),
            content_query=invert.out(1),
            gamma=dials.gamma,
            tau=dials.tau,
            gamma_curve=dials.gamma_curve,
            gamma_end=dials.gamma_end,
            **finer,
        )
        decoded = graph.node("VAEDecode", "decode", samples=sampled.out(0), vae=vae)
        return io.NodeOutput(decoded.out(0), expand=graph.finalize())


def _defaults(node) -> dict:
    """The default of each widget of a node: an inner graph has to name a value for every one."""
    inputs = node.define_schema().inputs
    return {i.id: i.default for i in inputs if getattr(i, "default", None) is not None}
