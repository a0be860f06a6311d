"""Is self-attention content-based? Normalised entropy of its weights in output blocks 6..11."""

from __future__ import annotations

import numpy as np
import torch

BLOCKS = range(6, 12)
TIMES = (101, 301, 601)


@torch.inference_mode()
def entropies(bench, pictures: list[np.ndarray], seed: int = 0) -> dict[int, float]:
    """Block -> mean over pictures, heads, queries and noise levels of entropy / log(tokens); 1 is uniform attention."""
    import comfy.model_management

    comfy.model_management.load_models_gpu([bench.model])
    model = bench.model.model
    found: dict[int, list[float]] = {block: [] for block in BLOCKS}

    def look(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, extra_options: dict) -> torch.Tensor:
        """An attn1 replacement that measures; q, k, v (B, tokens, C)."""
        heads = extra_options["n_heads"]
        split = [x.unflatten(2, (heads, -1)).transpose(1, 2) for x in (q, k, v)]
        weights = (split[0] @ split[1].mT / split[0].shape[-1] ** 0.5).softmax(dim=-1)
        entropy = -(weights * weights.clamp_min(1e-20).log()).sum(dim=-1).mean() / np.log(weights.shape[-1])
        found[extra_options["block"][1]].append(entropy.item())
        return (weights @ split[2]).transpose(1, 2).flatten(2)

    replacements = {("output", block): look for block in BLOCKS}
    options = {"patches_replace": {"attn1": replacements}}
    device, dtype = bench.model.load_device, model.get_dtype()
    context = bench.conditioning[0][0].to(device)
    generator = torch.Generator().manual_seed(seed)
    for picture in pictures:
        z = model.process_latent_in(bench.encode(picture)["samples"])
        for t in TIMES:
            sigma = float(model.model_sampling.sigmas[t])
            x = (z + sigma * torch.randn(z.shape, generator=generator)) / (1 + sigma**2) ** 0.5
            times = torch.tensor([float(t)], device=device)
            model.diffusion_model(x.to(device, dtype), times, context.to(dtype), transformer_options=options)
    return {block: float(np.mean(values)) for block, values in found.items()}
