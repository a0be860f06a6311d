"""The demo model's training: what its batches ask, where its attention starts, and that what it makes is read back."""

from __future__ import annotations

import itertools
import sys

import numpy as np
import pytest
import torch
from places import ROOT

sys.path.append(str(ROOT / "tools" / "demo_model"))
WHY = "the generator needs scikit-image, which tools/host.py installs"
looks, train_autoencoder, train_optimizer, train_unet, attention_start, networks, train_batches = (
    pytest.importorskip(name, reason=WHY)
    for name in (
        *("looks", "train_autoencoder", "train_optimizer", "train_unet", "attention_start", "networks"),
        "train_batches",
    )
)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@pytest.fixture
def cached(generator) -> dict:
    """Latents of 12 'pictures', each of one level of its own, so that a crop says which picture it is of."""
    level = torch.arange(12.0).view(-1, 1, 1, 1)
    own = level + 0.1 * torch.randn(12, 16, 32, 32, generator=generator)
    kinds = {"latents": own, "looks": -own, "soft": own - 0.05}
    return {**{name: value.half() for name, value in kinds.items()}, "mean": torch.zeros(16), "std": torch.ones(16)}


SIGMAS = torch.linspace(0.03, 14.6, 1000)


def test_a_query_reads_another_crop_of_its_own_picture(cached, generator):
    batch = train_batches.Batches(cached, SIGMAS, 0.0, generator).draw(6, 16)
    reference, query = batch.target.chunk(2)
    assert torch.allclose(train_batches.mean_of(reference), train_batches.mean_of(query), atol=0.2) and not torch.equal(
        reference, query
    )
    assert torch.equal(batch.shown, batch.target)  # look 0: the control
    assert torch.equal(*batch.t.chunk(2))


def test_references_stay_clean_and_queries_change_their_look_but_little_at_low_noise(cached, generator):
    batches = train_batches.Batches(cached, SIGMAS, 1.0, generator)
    high, low = [], []
    for _ in range(20):
        batch = batches.draw(8, 16)
        (reference, query), (clean, target) = batch.shown.chunk(2), batch.target.chunk(2)
        assert torch.equal(reference, clean)
        moved = (query - target).square().mean(dim=(1, 2, 3)).sqrt()
        sigma = SIGMAS[batch.t.chunk(2)[0]]
        high += moved[sigma > 1].tolist()
        low += (moved / sigma)[sigma < 0.2].tolist()
    assert np.mean(high) > 0.02
    whole = (cached["looks"].float() - cached["latents"].float()).square().mean(dim=(1, 2, 3)).sqrt().max()
    assert not low or max(low) < 2 * whole


def test_an_empty_field_takes_another_pictures_colours_and_stays_flat(cached, generator):
    """Half of the pictures are one tone around a noisy patch: a query of them, wherever it counts, is one tone."""
    own = cached["latents"].float()
    own[1::2] += torch.randn(6, 16, 32, 32, generator=generator)
    own[::2] = own[::2].mean(dim=(-2, -1), keepdim=True)
    own[::2, :, :12, :12] += torch.randn(6, 16, 12, 12, generator=generator)
    batches = train_batches.Batches({**cached, "latents": own.half()}, SIGMAS, 1.0, generator)
    assert batches.empty.tolist() == [0, 2, 4, 6, 8, 10]
    read = 0
    for _ in range(20):
        batch = batches.draw(16, 16)
        halves = (batch.target.chunk(2), batch.shown.chunk(2)[1:], batch.counts.chunk(2)[1:], batch.t.chunk(2)[1:])
        for reference, target, shown, counts, t in zip(*itertools.chain(*halves), strict=True):
            if counts.all():  # both are of one picture, in its own colours or in another's
                continue
            read += 1
            assert t >= train_batches.DECIDES
            assert torch.equal(shown, target)
            tone = target[:, counts[0] > 0]
            assert tone.numel() == 0 or tone.std(dim=1).max() < 0.05
            assert tone.numel() == 0 or (tone.mean(dim=1) - reference.mean(dim=(1, 2))).abs().max() < 1.5
    assert read > 5


def test_uneven_noise_has_other_spreads_by_channel_and_neighbours_alike(generator):
    noise = torch.randn(4, 16, 32, 32, generator=generator)
    made = train_batches.uneven(noise, generator)
    spread = made.std(dim=(-2, -1))
    assert spread.min() < 0.65 and spread.max() > 1.15 and made.mean().abs() < 0.05
    alike = (made[..., 1:] * made[..., :-1]).mean(dim=(-2, -1)) / spread**2
    assert alike.min() > -0.1 and alike.max() > 0.4


def test_only_the_injected_layers_read_the_first_half():
    n = torch.arange(4.0).view(4, 1, 1)
    for block in (("output", 5), ("input", 8), ("middle", 0)):
        assert all(torch.equal(x, n) for x in train_unet.read_reference(n, n, n, {"block": block}))
    for number in train_unet.REFERENCE_BLOCKS:
        q, k, v = train_unet.read_reference(n, n, n, {"block": ("output", number)})
        assert torch.equal(q, n) and k.flatten().tolist() == v.flatten().tolist() == [0, 1, 0, 1]


def test_what_is_predicted_does_not_change_what_is_found(generator):
    """A network that knows the noise: the same clean latents by both predictions."""
    clean, noise = torch.randn(2, 2, 16, 8, 8, generator=generator)
    sigma = torch.tensor([0.5, 6.0]).view(-1, 1, 1, 1)
    scale = (1 + sigma**2) ** 0.5
    answers = {"eps": noise, "v": (noise - sigma * clean) / scale}
    for prediction, answer in answers.items():
        found = train_unet.denoised(
            *(lambda *_, answer=answer, **__: answer, torch.zeros(1, 4, 32), clean + sigma * noise, sigma),
            *(torch.zeros(2), {}, prediction),
        )
        assert torch.allclose(found, clean, atol=1e-4), prediction


def test_attention_starts_where_tokens_are_alike(generator):
    unet = networks.build_unet(8)
    x = torch.randn(2, 16, 16, 16, generator=generator)
    context, t = torch.randn(2, 4, 32, generator=generator), torch.full((2,), 450.0)

    def forward(options: dict) -> None:
        with torch.no_grad():
            unet(x, t, context, transformer_options=options)

    attention_start.start_attention(unet, train_unet.REFERENCE_BLOCKS, 2.5, forward, generator)
    for block in train_unet.REFERENCE_BLOCKS:
        layer = unet.output_blocks[block][1].transformer_blocks[0].attn1
        assert torch.equal(layer.to_q.weight, layer.to_k.weight)
        assert attention_start.logit_spread(block, forward) == pytest.approx(2.5, rel=0.02)


def test_an_encoder_that_is_trained_on_is_held_near_the_latents_that_were(generator):
    pictures = torch.rand(4, 3, 64, 64, generator=generator) * 2 - 1
    net, before = (networks.build_autoencoder(pictures) for _ in range(2))

    def loss(*held):
        torch.manual_seed(0)
        return train_autoencoder.loss_of(net, pictures, 0.0, *held)

    free, mse = loss()
    assert torch.equal(loss(before)[0], free)
    with torch.no_grad():
        before.to_latent.bias += 0.5
    held, same = loss(before)
    assert torch.allclose(held - free, torch.tensor(train_autoencoder.HOLD * 0.25)) and torch.equal(same, mse)


def test_a_field_of_one_latent_is_uneven_until_it_decodes_to_one_colour(generator):
    net = networks.build_autoencoder(torch.rand(4, 3, 64, 64, generator=generator) * 2 - 1)
    latents = torch.randn(4, 16, 8, 8, generator=generator)
    assert train_autoencoder.unevenness(net, latents, 0.0) > 0.01  # patches of random pictures
    with torch.no_grad():
        for part in (net.to_patch.weight, net.to_patch.bias):
            part.copy_(
                part.view(3, 64, *part.shape[1:])
                .mean(1, keepdim=True)
                .expand(3, 64, *part.shape[1:])
                .reshape(part.shape)
            )
    assert train_autoencoder.unevenness(net, latents, 0.0) < 1e-9


def test_a_wider_decoder_begins_as_the_same_function_and_its_widths_are_read_from_the_weights(generator):
    net = networks.build_autoencoder(torch.rand(4, 3, 64, 64, generator=generator) * 2 - 1)
    for parameter in net.parameters():
        parameter.data += 0.02 * torch.randn(parameter.shape, generator=generator)
    wide = networks.widened(net, (96, 160))
    assert networks.decoder_widths(wide.state_dict()) == (96, 160)
    assert networks.decoder_widths(net.state_dict()) == (64, 128)
    latents = torch.randn(1, 16, 8, 8, generator=generator)
    torch.testing.assert_close(wide.decode(latents), net.decode(latents), rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match="not less"):
        networks.widened(wide, (64, 128))
    before = wide.decode(latents)
    wide.decoder[1].second.weight[:128, 128:] += 0.1  # what is new says something, once it is listened to
    assert (wide.decode(latents) - before).abs().max() > 1e-3


@pytest.mark.parametrize("shape", [(2, 12, 30), (3, 30, 12), (1, 8, 8)])
def test_newton_schulz_on_the_gram_matrix_is_newton_schulz(shape, generator):
    x = torch.randn(shape, generator=generator)
    slow = x.mT if shape[1] > shape[2] else x
    slow = slow / (slow.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        gram = slow @ slow.mT
        slow = 3.4445 * slow + (-4.7750 * gram + 2.0315 * gram @ gram) @ slow
    slow = slow.mT if shape[1] > shape[2] else slow
    assert torch.allclose(train_optimizer.orthogonal(x), slow, atol=1e-4)


def test_another_look_keeps_the_structure_and_loses_the_texture():
    rng = np.random.default_rng(0)
    picture = np.zeros((64, 64, 3), np.float32) + 0.2
    picture[:, 32:] = 0.8
    textured = np.clip(picture + 0.04 * rng.standard_normal((64, 64, 1)), 0, 1).astype(np.float32)
    smooth = looks.smoothed(textured, 3.0, 0.01)
    assert smooth[:, 8:24].std() < 0.4 * textured[:, 8:24].std()
    assert smooth[:, 40:].mean() - smooth[:, :24].mean() > 0.55
    for seed in range(8):
        other = looks.other_look(textured, np.random.default_rng(seed))
        assert other.shape == textured.shape and other.dtype == np.float32 and 0 <= other.min() <= other.max() <= 1
        assert other[:, 40:].mean() > other[:, :24].mean()
