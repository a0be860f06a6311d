"""Workflows with other nodes of ComfyUI: any sampler, an upscaler and a second pass, micrographs with a report."""

from __future__ import annotations

from workflow_graph import Graph
from workflow_parts import (
    BLUE,
    BROWN,
    DIALS,
    DURIAN,
    FAST,
    FLUORESCENCE,
    GREEN,
    IMPRESSION,
    INK_WASH,
    PLANT,
    PURPLE,
    SD15,
    TISSUE,
    UPSCALER,
    Branch,
    adain,
    checkpoint,
    content_branch,
    demo_model,
    note,
    sampler,
    saved,
    style_branch,
)

ANY = (
    DIALS
    + """\
- **Cell Style Apply** puts the injection on a MODEL, for any node that takes one. Samplers without noise (euler,
  dpmpp_2m, heun) suit it; ancestral and SDE samplers leave the inverted path.
"""
)
UPSCALED = (
    DIALS
    + """\
- The **second pass** adds detail at 1024 pixels with the same style on the model; its denoise says how much.
"""
)
REPORT = (
    DIALS
    + """\
- **Load Micrograph** shows its *example* until you choose a file: 16-bit and multi-channel TIFF, stacks, series; set
  z or time to *frames* for a batch. *invert* gives fluorescence the white paper that ink needs.
- The **fidelity report** says whether edges and objects are where they were; *Restore Micrograph Size* undoes the
  padding.
"""
)


def any_sampler() -> Graph:
    """CellStyleApply with SamplerCustomAdvanced."""
    graph = Graph("any_sampler")
    model = demo_model(graph)
    content, style = content_branch(graph, model, PLANT), style_branch(graph, model, DURIAN)
    apply = _apply(graph, model.model, content, style)
    matched = adain(graph, content, style)
    guider = graph.add("BasicGuider", "Guider", model=apply[0], conditioning=model.conditioning)
    chosen = graph.add("KSamplerSelect", "Sampler", sampler_name="dpmpp_2m")
    quiet = graph.add("DisableNoise", "No noise: the inversion is the noise")
    sampled = graph.add(
        "SamplerCustomAdvanced",
        "Sampler Custom Advanced",
        noise=quiet[0],
        guider=guider[0],
        sampler=chosen[0],
        sigmas=content.last["sigmas"],
        latent_image=matched[0],
    )
    picture = graph.add("VAEDecode", "VAE Decode", samples=sampled[0], vae=model.vae)
    save = saved(graph, picture[0])
    notes = note(graph, "Any sampler", ANY)
    graph.column(("Model", BLUE, [model.nodes]), ("", "", [[notes]]))
    graph.column(("Content", GREEN, content.columns), ("Style", PURPLE, style.columns))
    graph.column(("Style on the model", PURPLE, [[apply, matched]]))
    graph.column(("Any sampler", BROWN, [[guider, chosen, quiet, sampled, picture], [save]]))
    return graph


def sd15_upscaled() -> Graph:
    """An upscaler and a second latent pass after the transfer."""
    graph = Graph("sd15_upscaled (download)")
    model = checkpoint(graph, SD15, 512)
    content, style = content_branch(graph, model, TISSUE), style_branch(graph, model, IMPRESSION)
    matched = adain(graph, content, style)
    nodes = [matched, *sampler(graph, model, content, style.last["style_kv"], matched[0])]
    loader = graph.add("UpscaleModelLoader", "Load Upscaler", model_name=UPSCALER["name"], models=[UPSCALER])
    large = graph.add("ImageUpscaleWithModel", "Upscale 4x", upscale_model=loader[0], image=nodes[-1][0])
    fitted = graph.add("ImageScale", "Scale to a width of 1024", image=large[0], width=1024, height=0)
    latent = graph.add("VAEEncode", "VAE Encode", pixels=fitted[0], vae=model.vae)
    apply = _apply(graph, model.model, content, style)
    second = graph.add(
        "KSampler",
        "Second pass",
        model=apply[0],
        positive=model.conditioning,
        negative=model.conditioning,
        latent_image=latent[0],
        steps=20,
        cfg=1.0,
        sampler_name="euler",
        scheduler="normal",
        denoise=0.3,
        canvas=(300, 540),
    )
    picture = graph.add("VAEDecode", "VAE Decode", samples=second[0], vae=model.vae)
    save = saved(graph, picture[0], canvas=(560, 600))
    notes = note(graph, "The second pass", UPSCALED)
    graph.column(("Model", BLUE, [model.nodes]), ("", "", [[notes]]))
    graph.column(("Content", GREEN, content.columns), ("Style", PURPLE, style.columns))
    graph.column(("Transfer", BROWN, [nodes]))
    graph.column(("Upscale", BLUE, [[loader, large, fitted, latent, apply]]))
    graph.column(("Second pass", BROWN, [[second, picture], [save]]))
    return graph


def micrograph_fidelity() -> Graph:
    """From a microscope's file to a stylised picture of the same size, with a report."""
    graph = Graph("micrograph_fidelity")
    model = demo_model(graph)
    file = graph.add(
        "CellStyleLoadMicrograph",
        "Micrograph: your file or stack",
        file="",
        example=FLUORESCENCE,
        invert=True,
        size="resize and pad",
        longest_side=512,
    )
    latent = graph.add("VAEEncode", "VAE Encode", pixels=file["image"], vae=model.vae)
    invert = graph.add("DDIMInvert", "DDIM Invert (content)", **model.shared, latent=latent[0], **FAST)
    content = Branch([[latent, invert]], file["image"], latent[0], invert)
    style = style_branch(graph, model, INK_WASH)
    matched = adain(graph, content, style)
    nodes = [matched, *sampler(graph, model, content, style.last["style_kv"], matched[0])]
    back = graph.add("CellStyleRestoreSize", "Restore Micrograph Size", image=nodes[-1][0], metadata=file["metadata"])
    save = saved(graph, back[0])
    report = graph.add(
        "CellStyleFidelity",
        "Is the science still there?",
        content=file["image"],
        result=nodes[-1][0],
        style=style.image,
        mask=file["mask"],
    )
    preview = graph.add("PreviewImage", "Fidelity report", images=report["report"], canvas=(420, 340))
    notes = note(graph, "The report", REPORT)
    graph.column(("Model", BLUE, [model.nodes]), ("Micrograph", GREEN, [[file]]))
    graph.column(("Content", GREEN, [[latent, invert]]), ("", "", [[notes]]))
    graph.column(("Style", PURPLE, style.columns), ("Transfer", BROWN, [[*nodes, back]]))
    graph.column(("Result", BROWN, [[save, report], [preview]]))
    return graph


def _apply(graph: Graph, model, content: Branch, style: Branch):
    return graph.add(
        "CellStyleApply",
        "Cell Style Apply: the dials",
        model=model,
        style_kv=style.last["style_kv"],
        content_query=content.last["content_query"],
        gamma=0.75,
        tau=1.5,
    )
