"""What a card computes is what the CPU computes, but for rounding."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch

import mars_lib
from mars_lib.data import manifests
from mars_lib.data.pictures import augment_pictures, drawings, load_rgba
from mars_lib.data.variation import Chains, vary
from mars_lib.encoders.frozen import frozen
from mars_lib.evaluation.metrics import snr
from mars_lib.inference.pretrained import load_minibind, load_mlbp
from mars_lib.reward import Target, fused
from mars_lib.training.query_bank import QueryBank
from tests.gpu.same_numbers import SameNumbers

pytestmark = pytest.mark.cuda
CARD = "cuda"


def clips(music, count):
    """Of the classes in turn: (count, L)."""
    classes = music.classes("train")
    made = [music.clip("train", classes[i % len(classes)], i) for i in range(count)]
    return torch.from_numpy(np.stack(made))


def test_separating():
    sound, _ = manifests.example("trumpet", "harp", clip=6)
    here, there = (
        mars_lib.load(device=device).separate(sound, 16_000, text="trumpet")
        for device in ("cpu", CARD)
    )
    assert there.is_cpu and snr(estimate=there, reference=here) > 40


def test_augmented_sounds(music):
    waves, chains = clips(music, 32), Chains.draw(np.random.default_rng(0), 32)
    here = vary(waves, chains)
    with SameNumbers():
        there = vary(waves.to(CARD), chains).cpu()
    assert chains.taken.all() and (chains.room > 0).any() and np.isfinite(chains.noise).any()
    # Eight bits round a few samples the other way.
    assert (snr(estimate=there, reference=here) > 40).all()


def test_augmented_sounds_with_a_card_s_own_numbers(music):
    waves, chains = clips(music, 32).to(CARD), Chains.draw(np.random.default_rng(0), 32)
    whole = vary(waves, chains)
    torch.testing.assert_close(vary(waves, chains), whole, rtol=0, atol=1e-4)
    torch.testing.assert_close(vary(waves[8:16], chains[8:16]), whole[8:16], rtol=0, atol=1e-4)


def test_augmented_pictures(music):
    sound = music.classes("train")[0]
    files = torch.stack([load_rgba(path) for path in drawings(sound, "train")])
    here = augment_pictures(files, torch.Generator().manual_seed(0))
    with SameNumbers():
        generator = torch.Generator(CARD).manual_seed(0)
        there = augment_pictures(files.to(CARD), generator).cpu()
    # Where an edge falls between two pixels, rounding may choose the other.
    assert (here - there).abs().mean() < 1e-3


def test_the_table_of_the_query_bank(music):
    classes, tables = music.classes("train"), {}
    for device, numbers in (("cpu", nullcontext()), (CARD, SameNumbers())):
        with numbers:
            encoder = load_minibind().to(device)
            bank = QueryBank.embed(
                encoder, music, classes, "train", 4, device=device, progress=False, augment=0.9
            )
        assert bank.table.device.type == device
        drawn = bank.draw(torch.arange(len(classes))[:, None], torch.Generator().manual_seed(0))
        tables[device] = bank.embeddings(drawn).cpu(), bank.table.cpu()
    for here, there in zip(tables["cpu"], tables[CARD]):
        assert torch.nn.functional.cosine_similarity(here, there, dim=-1).min() > 0.99


def test_rewards_in_float16(music):
    encoder, pooling = load_minibind(), load_mlbp()
    estimates, reference = clips(music, 24), clips(music, 24).flip(0)
    z = {
        name: torch.nn.functional.normalize(torch.randn(24, 256), dim=-1)
        for name in ("text", "image")
    }
    target = Target(reference, z | {"audio": encoder.embed_audio(reference)})
    exact = fused(encoder.embed_audio, pooling)(estimates, target)
    half = frozen(encoder.to(CARD))
    there = Target(
        reference.to(CARD), {name: each.to(CARD) for name, each in target.embeddings.items()}
    )
    with torch.no_grad():
        found = fused(half.embed_audio, pooling.to(CARD))(estimates.to(CARD), there).cpu()
    assert (found - exact).abs().max() < 1e-3
    assert not torch.equal(found, exact)  # it was in float16
