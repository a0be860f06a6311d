"""StyleID from the paper's equations, for comparison: variance-preserving coordinates, the bare UNet, explicit q, k, v.

Shares no code with the package. Latents z are the model's own (scale folded in); alpha is the cumulative product.
"""

from __future__ import annotations

import numpy as np
import torch


def alphas_cumprod() -> np.ndarray:
    """Stable Diffusion's schedule: betas linear in their square roots."""
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=np.float64) ** 2
    return np.cumprod(1 - betas)


class Oracle:
    """One model, one conditioning; `layers` are numbers of the decoder's blocks."""

    def __init__(self, unet, context, layers, v_prediction=False, y=None):
        self.unet, self.context, self.v_prediction, self.y = unet, context, v_prediction, y
        self.alpha = alphas_cumprod()
        self.attention = {}
        for number in layers:
            for module in unet.output_blocks[number]:
                for index, block in enumerate(getattr(module, "transformer_blocks", [])):
                    self.attention[(number, index)] = block.attn1

    def eps(self, z, t):
        """Predicted noise at timestep t."""
        batch = z.shape[0]
        y = None if self.y is None else self.y.expand(batch, -1)
        out = self.unet(z, torch.full((batch,), float(t)), context=self.context.expand(batch, -1, -1), y=y)
        if self.v_prediction:
            return self.alpha[t] ** 0.5 * out + (1 - self.alpha[t]) ** 0.5 * z
        return out

    def timesteps(self, steps):
        """Ascending, "leading" spacing with an offset of 1."""
        return [1 + i * (1000 // steps) for i in range(steps)]

    def invert(self, z, steps):
        """z at timestep 0 to z at the last timestep, and q, k, v by timestep and layer."""
        features, handles, current = {}, [], {}

        def watch(key):
            def hook(module, args, output):
                n = args[0]
                current[key] = tuple(f(n) for f in (module.to_q, module.to_k, module.to_v))

            return hook

        for key, attention in self.attention.items():
            handles.append(attention.register_forward_hook(watch(key)))
        before = 0
        for t in self.timesteps(steps):
            a, b = self.alpha[before], self.alpha[t]
            e = self.eps(z, t)
            features[t] = dict(current)
            z = (b / a) ** 0.5 * (z - (1 - a) ** 0.5 * e) + (1 - b) ** 0.5 * e
            before = t
        for handle in handles:
            handle.remove()
        return z, features

    def sample(self, z, steps, content=None, style=None, gamma=0.0, tau=1.0):
        """z at the last timestep to the predicted clean latent of the last call."""
        handles, now = [], {}

        def inject(key):
            def hook(module, args, output):
                q_c, (_, k, v) = content[now["t"]][key][0], style[now["t"]][key]
                q = gamma * q_c + (1 - gamma) * module.to_q(args[0])
                return module.to_out(_attention(q, k, v, module.heads, tau))

            return hook

        if style is not None:
            for key, attention in self.attention.items():
                handles.append(attention.register_forward_hook(inject(key)))
        times = self.timesteps(steps)
        for i in reversed(range(steps)):
            t = now["t"] = times[i]
            e = self.eps(z, t)
            a = self.alpha[t]
            clean = (z - (1 - a) ** 0.5 * e) / a**0.5
            if i:
                b = self.alpha[times[i - 1]]
                z = b**0.5 * clean + (1 - b) ** 0.5 * e
        for handle in handles:
            handle.remove()
        return clean


def adain(content, style):
    """Per image and channel, over height and width."""
    out = []
    for c, s in zip(content, style.expand(len(content), -1, -1, -1), strict=True):
        flat_c, flat_s = c.flatten(1), s.flatten(1)
        x = (flat_c - flat_c.mean(1, True)) / flat_c.std(1, keepdim=True)
        out.append((x * flat_s.std(1, keepdim=True) + flat_s.mean(1, True)).view_as(c))
    return torch.stack(out)


def _attention(q, k, v, heads, tau):
    def split(x):
        return x.unflatten(-1, (heads, -1)).transpose(1, 2)

    q, k, v = split(q), split(k.expand(q.shape[0], -1, -1)), split(v.expand(q.shape[0], -1, -1))
    logits = tau * q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    return (logits.softmax(-1) @ v).transpose(1, 2).flatten(2)
