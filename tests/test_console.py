"""What a run says in the console: a line before each inversion with its cost, what it is
worth, and one after every stage with its time."""

from __future__ import annotations

import logging
import re

import run_nodes as nodes
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model

EXPECTED = (
    r"DDIMInvert: 3 steps, 3 network calls; about [\d.]+ MB of features on cpu",
    r"DDIMInvert: sampling back would give the latent to about \d+ dB \(estimated\)",
    r"DDIMInvert: done in [\d.]+ s, \d+ MB kept",
    r"StyleKVCapture: 3 steps, 6 network calls; about [\d.]+ MB of latents, features computed again while sampling",
    r"StyleKVCapture: sampling back would give the latent to about \d+ dB \(estimated\)",
    r"StyleKVCapture: done in [\d.]+ s, \d+ MB kept",
    r"InjectedSampler: 3 steps, .*, [\d.]+ s",
)


def test_a_stage_says_its_cost_before_and_its_time_after(caplog, capsys):
    model, conditioning = tiny_model(), tiny_conditioning()
    with caplog.at_level(logging.INFO):
        inverted, query, _ = nodes.invert(model, conditioning, nodes.latent(1, 4, 8, 8), 3, storage="ram")
        style_kv, _ = nodes.capture(
            model, conditioning, nodes.latent(1, 4, 8, 12), 3, refinement=1, storage="recompute"
        )
        nodes.sample(model, conditioning, inverted, style_kv, query)
    ours = [
        r.getMessage() for r in caplog.records if re.match("DDIMInvert|StyleKVCapture|InjectedSampler", r.getMessage())
    ]
    assert len(ours) == len(EXPECTED), ours
    for line, pattern in zip(ours, EXPECTED, strict=True):
        assert re.fullmatch(pattern, line), line
    assert capsys.readouterr().out == ""
