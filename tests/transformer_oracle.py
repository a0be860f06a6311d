"""StyleID in flow-matching transformers from the equations, for comparison: explicit attention in float64.

Shares no code with the package. Layers are known by counting a call's attentions, image tokens by counting them from
the end (or start) of the sequence; both from the table below, which was written down from watching the networks.
"""

from __future__ import annotations

import itertools
import math

import comfy.samplers
import torch
from comfy.patcher_extension import WrappersMP

# attentions of one call, in order: "." none of the image's, "j" text and image together, "i" the image's tokens alone
CALLS = {
    "flux": "jjjj",
    "schnell": "jjjj",
    "flux2": "jjjj",
    "longcat": "jjjj",
    "chroma": "jjjj",
    "sd3": "jjj",
    "sd35m": "jijij",
    "qwen": "jjj",
    "lumina2": "..jjj",
    "zimage": "..jjj",
    "krea2": "....jjj",
    "anima": "i.i.i.",
    "mageflow": "jj",
    "hunyuan": "..jjjj",
    "hidream": "tttt",  # image first, then text
    "aura": "jjj",
}
PITCH = {"flux2": 1, "mageflow": 1, "hunyuan": 1}
PADDED = {"zimage": 32}


def levels(model, steps, top=0.999):
    """Descending, from below 1 to 0."""
    sigmas = [
        float(s) for s in comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "simple", steps)
    ]
    return [min(sigmas[0], top), *sigmas[1:]]


class Oracle:
    """One model. layers: numbers of the image's attentions in a call (not of all), None for the second half."""

    def __init__(self, model, kind, positive, negative=None, cfg=1.0, chosen=None):
        self.kind, self.positive, self.negative, self.cfg = kind, positive, negative, cfg
        self.image_calls = [i for i, letter in enumerate(CALLS[kind]) if letter != "."]
        self.chosen = set(self.image_calls if chosen is None else [self.image_calls[i] for i in chosen])
        self.model = model.clone()
        options = self.model.model_options["transformer_options"]
        options["optimized_attention_override"] = self._attention
        self.model.add_wrapper(WrappersMP.APPLY_MODEL, self._count)
        self.found, self.act, self.shape, self.calls, self.at = {}, None, None, 0, 0

    def _count(self, executor, x, t, *args, **kwargs):
        self.at, self.shape, self.calls = 0, x.shape, self.calls + 1
        return executor(x, t, *args, **kwargs)

    def _attention(self, func, q, k, v, heads, *args, **kwargs):
        at = self.at
        self.at += 1
        if self.act is None or at not in self.chosen:
            return func(q, k, v, heads, *args, **kwargs)
        mask = args[0] if args else kwargs.get("mask")
        if kwargs.get("skip_reshape"):
            q, k, v = (x.double() for x in (q, k, v))
        else:
            q, k, v = (x.double().reshape(*x.shape[:2], heads, -1).transpose(1, 2) for x in (q, k, v))
        pitch = PITCH.get(self.kind, 2)
        count = math.ceil(self.shape[-2] / pitch) * math.ceil(self.shape[-1] / pitch)
        behind = math.ceil(count / PADDED.get(self.kind, 1)) * PADDED.get(self.kind, 1)
        start = q.shape[2] - behind if CALLS[self.kind][at] == "j" else 0
        q, k, v, mask = self.act(at, q, k, v, mask, start, start + count)
        logits = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
        if mask is not None:
            mask = mask if mask.ndim != 3 else mask[:, None]
            logits = logits.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else logits + mask.double()
        out = (logits.softmax(-1) @ v).transpose(1, 2).flatten(2)
        return out.float()

    def predict(self, x, sigma, act=None, guided=True):
        """Velocity at a level, (x - D) / sigma. guided: with the negative and cfg."""
        guider = comfy.samplers.CFGGuider(self.model)
        with_negative = guided and self.negative is not None
        guider.set_conds(self.positive, self.negative if with_negative else self.positive)
        guider.set_cfg(self.cfg if with_negative else 1.0)
        box = {}

        class Once(comfy.samplers.Sampler):
            def sample(inner, wrap, sigmas, extra_args, callback, noise, *args, **kwargs):
                self.act = act
                box["d"] = wrap(x, x.new_full((len(x),), sigma), **extra_args)
                self.act = None
                return noise

        zero = torch.zeros_like(x)
        guider.sample(zero, zero, Once(), torch.tensor([1.0, 0.0]), disable_pbar=True, seed=0)
        return (x - box["d"]) / sigma

    def record(self, at, q, k, v, mask, a, b):
        self.found[at] = tuple(t[:, :, a:b].clone() for t in (q, k, v))
        return q, k, v, mask

    def invert(self, clean, sigmas, refinement=0, multistep=False):
        """(x at the top, {level: {attention: (q, k, v)}}); one recorded call a level."""
        climb = sigmas[::-1]
        x, features, past = clean, {}, []
        for a, b in itertools.pairwise(climb):
            if past and multistep:
                slope = past[-1][1]
                if len(past) > 1:
                    (s1, v1), (s2, v2) = past[-2:]
                    slope = v2 + (b - s2) / (s2 - s1) * (v2 - v1)
                guess = x + (b - a) * slope
            else:
                guess = x * (((1 - b) ** 2 + b**2) / ((1 - a) ** 2 + a**2)) ** 0.5
            for _ in range(refinement + 1):
                self.found = {}
                v = self.predict(guess, b, self.record, guided=False)
                guess = x + (b - a) * v
            x, features[b] = guess, self.found
            past.append((b, v))
        return x, features

    def sample(self, x, sigmas, content=None, style=None, gamma=0.0, tau=1.0, change=lambda k: k):
        """The clean latent; without a style, plainly. change: made to the style's keys."""
        for a, b in itertools.pairwise(sigmas):

            def inject(at, q, k, v, mask, start, end, level=a):
                _, k_style, v_style = style[level][at]
                rows = len(q)
                repeat = lambda t: t.repeat(rows // len(t), 1, 1, 1)  # noqa: E731
                image = q[:, :, start:end]
                if gamma:
                    image = gamma * repeat(content[level][at][0]) + (1 - gamma) * image
                q = torch.cat([q[:, :, :start], tau * image, q[:, :, end:]], 2)
                k = torch.cat([k[:, :, :start], repeat(change(k_style)), k[:, :, end:]], 2)
                v = torch.cat([v[:, :, :start], repeat(v_style), v[:, :, end:]], 2)
                if mask is not None and mask.shape[-1] != k.shape[2]:
                    seen = torch.ones if mask.dtype == torch.bool else torch.zeros
                    new = seen(*mask.shape[:-1], k_style.shape[2], dtype=mask.dtype)
                    mask = torch.cat([mask[..., :start], new, mask[..., end:]], -1)
                return q, k, v, mask

            x = x + (b - a) * self.predict(x, a, inject if style is not None else None)
        return x
