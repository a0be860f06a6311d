"""The models that are measured, and ComfyUI's own sampler beside ours; no server."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def use_pack(cpu: bool | None = None) -> None:
    """ComfyUI on the path and the repository's root under the name `cellstyle`, as a server would have them.

    cpu: as ComfyUI's --cpu; None to use an accelerator where there is one.
    """
    if "cellstyle" in sys.modules:
        return
    from host_layout import find
    from server_run import device_options

    host = find()
    sys.path.insert(0, str(host.comfyui))
    sys.path += [str(ROOT / "tests"), str(ROOT / "tests" / "support")]
    options = device_options(host, cpu)
    argv, sys.argv = sys.argv, [sys.argv[0], *options]
    try:
        import comfy.options

        comfy.options.enable_args_parsing()
        import comfy.cli_args
        import comfy.model_management
    finally:
        sys.argv = argv
    spec = importlib.util.spec_from_file_location(
        "cellstyle", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    sys.modules["cellstyle"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["cellstyle"])


@dataclass
class Subject:
    """A model to measure. kind: "tiny" (random, narrow), "demo" (the embedded one) or "sd15" (full-size shape, random).

    precision: "fp32", "bf16" or "fp16".
    """

    kind: str
    precision: str = "fp32"

    @cached_property
    def _loaded(self) -> tuple:
        import torch
        from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model

        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[self.precision]
        if self.kind == "demo":
            from cellstyle.demo_model.load import load_demo_model

            return load_demo_model()[:2]
        if self.kind == "tiny":
            return tiny_model(dtype=dtype), tiny_conditioning()
        width = {"model_channels": 320, "context_dim": 768, "num_heads": 8}
        return tiny_model(dtype=dtype, **width), tiny_conditioning(tokens=77, width=768)

    @property
    def model(self):
        return self._loaded[0]

    @property
    def conditioning(self):
        return self._loaded[1]

    def latent(self, pixels: int, batch: int = 1, seed: int = 1) -> dict:
        """A LATENT with the smoothness of a picture's."""
        import run_nodes

        channels = self.model.get_model_object("latent_format").latent_channels
        return run_nodes.latent(batch, channels, pixels // 8, pixels // 8, seed=seed)

    def plain(self, latent: dict, sigmas):
        """ComfyUI's own euler over those sigmas: what ours is measured against."""
        import comfy.sample
        import comfy.samplers
        import torch

        samples = latent["samples"]
        return comfy.sample.sample_custom(
            *(self.model, torch.zeros_like(samples), 1.0, comfy.samplers.sampler_object("euler"), sigmas),
            *(self.conditioning, self.conditioning, samples),
            disable_pbar=True,
            seed=0,
        )

    def invert(self, latent: dict, steps: int, storage: str, precision: str = "full", layers: str = "auto"):
        """(inverted LATENT, CONTENT_QUERY, SIGMAS)"""
        from cellstyle.nodes.ddim_invert import DDIMInvert

        return DDIMInvert.execute(latent=latent, **self._capture(steps, storage, precision, layers)).result

    def capture(self, latent: dict, steps: int, storage: str, precision: str = "full"):
        """(STYLE_KV, inverted LATENT)"""
        from cellstyle.nodes.style_kv_capture import StyleKVCapture

        return StyleKVCapture.execute(latent=latent, **self._capture(steps, storage, precision, "auto")).result

    def sample(self, start: dict, style_kv, query, **dials):
        """Samples of the stylised latent."""
        import run_nodes

        return run_nodes.sample(self.model, self.conditioning, start, style_kv, query, **dials)

    def _capture(self, steps: int, storage: str, precision: str, layers: str) -> dict:
        return {
            "model": self.model,
            "conditioning": self.conditioning,
            "steps": steps,
            "refinement": 0,
            "layers": layers,
            "storage": storage,
            "feature_precision": precision,
        }
