"""Recording chains of a batch: each effect, and laws that hold for all of them."""

import pickle
from dataclasses import fields

import numpy as np
import pytest
import torch
from scipy.fft import next_fast_len
from scipy.stats import binomtest
from torch.utils._python_dispatch import TorchDispatchMode

from mars_lib.check import InputError
from mars_lib.data import mini_music, variation
from mars_lib.data.variation import COMPANDED, HALF_RATE, TWO_THIRDS_RATE, Chains, vary
from tests.card.imitation import cards, device_of
from tests.data.variation_cases import CPU, LENGTH, chains, near, notes, reference, single


def test_a_chain_does_what_the_reference_does():
    waves, drawn = notes(200), chains(200)
    assert near(vary(waves, drawn), reference(waves, drawn)[0], drawn, 1e-4)


@pytest.mark.parametrize(
    ("effect", "tolerance"),
    [
        ({}, 1e-7),
        ({"cents": 85}, 1e-4),
        ({"cents": -300}, 1e-4),
        ({"cents": 70, "vibrato_cents": 25}, 1e-4),
        ({"equaliser": chains(40).equaliser}, 1e-4),
        ({"low_cut": 300}, 1e-6),
        ({"high_cut": 2500}, 1e-6),
        ({"room": 0.45}, 1e-6),
        ({"drive": 6}, 1e-6),
        ({"codec": HALF_RATE}, 3e-6),
        ({"codec": TWO_THIRDS_RATE}, 3e-6),
        ({"codec": COMPANDED}, 1e-5),
        ({"noise": -25}, 1e-6),
    ],
    ids=lambda value: " ".join(value) or "none" if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("length", [LENGTH, 32_767])
def test_an_effect_alone_does_what_the_reference_does(effect, tolerance, length):
    if "noise" in effect:
        length = next_fast_len(length, real=True)  # without padding, as the reference has it
    waves, drawn = notes(40, length), single(40, **effect)
    assert near(vary(waves, drawn), reference(waves, drawn)[0], drawn, tolerance)


@pytest.mark.parametrize("length", [512, 4_001, 32_767])
def test_a_clip_does_not_depend_on_the_others(length):
    waves, drawn = notes(100, length), chains(100, seed=4)
    whole = vary(waves, drawn)
    order = np.random.default_rng(0).permutation(100)
    assert near(vary(waves[order], drawn[order]), whole[order], drawn[order])
    for rows in (slice(0, 40), slice(35, 80), slice(79, 100), slice(7, 8)):
        assert near(vary(waves[rows], drawn[rows]), whole[rows], drawn[rows])


def test_a_clip_alone_is_rounded_as_it_is_among_others():
    """Kernels for one row round differently, and companding makes a step of 4.5 % of that."""
    waves, drawn = notes(100, 4_000), chains(100, codec=COMPANDED, room=0.2)
    alone = [vary(waves[i : i + 1], drawn[i : i + 1]) for i in range(100)]
    apart = (torch.cat(alone) - vary(waves, drawn)).abs().amax(dim=1)
    assert (apart > 1e-5).sum() <= 2


def test_the_same_generator_draws_the_same_chains_and_a_pickle_keeps_them():
    one, other = chains(64, seed=5), chains(64, seed=5)
    sent = pickle.loads(pickle.dumps(one[8:24]))
    for field in fields(Chains):
        values = getattr(one, field.name)
        np.testing.assert_array_equal(values, getattr(other, field.name))
        np.testing.assert_array_equal(values[8:24], getattr(sent, field.name))
        assert len(values) == len(one) == 64
        # Each is drawn anew.
        again = getattr(chains(64, seed=6), field.name)
        assert field.name == "taken" or not np.array_equal(values, again), field.name
    assert len(pickle.dumps(chains(256))) < 100_000


def test_clips_whose_chain_is_not_taken_come_back_bit_for_bit():
    waves = notes(200, 2_048) * torch.linspace(0.1, 3, 200)[:, None]
    before = waves.clone()
    for share in (0, 0.25, 1):
        drawn = Chains.draw(np.random.default_rng(7), 200, share)
        assert binomtest(int(drawn.taken.sum()), 200, share).pvalue > 1e-4
        made = vary(waves, drawn)
        same = (made == waves).all(dim=1).numpy()
        np.testing.assert_array_equal(same, ~drawn.taken)
        assert torch.equal(waves, before) and made is not waves


def test_level_is_that_of_clips():
    waves = notes(40, 4_500, seed=3) * torch.logspace(-6, 1, 40)[:, None]
    waves[::3, :2_000] = 0
    waves[5] = 0
    waves[7, 100], waves[8, 200] = torch.nan, torch.inf
    expected = np.stack([mini_music.level(wave) for wave in waves.numpy()])
    assert not expected[[0, 5, 7, 8]].any() and expected[30].any()
    np.testing.assert_allclose(variation._level(waves), expected, rtol=1e-5, atol=1e-9)
    made = vary(notes(100), chains(100)).numpy()
    for wave in made:
        np.testing.assert_allclose(wave, mini_music.level(wave), rtol=1e-5, atol=1e-7)


def test_silence_stays_silent_and_a_broken_clip_stays_alone():
    drawn = chains(200, seed=8)
    assert not vary(torch.zeros(200, 2_048), drawn).any()
    waves = notes(200, 2_048)
    whole = vary(waves, drawn)
    waves[:100, 77] = torch.nan
    made = vary(waves, drawn)
    assert not made[:100].any() and near(made[100:], whole[100:], drawn[100:])
    assert vary(torch.zeros(0, 2_048), drawn[:0]).shape == (0, 2_048)


@pytest.mark.parametrize("device", ["cuda:1", "mps"])
def test_clips_of_a_card_are_varied_there(device, monkeypatch):
    waves, drawn = notes(60, 2_048), chains(60, seed=9)
    expected = vary(waves, drawn)
    with cards(monkeypatch):
        made = vary(waves.to(device), drawn)
        assert made.device == torch.device(device if ":" in device else f"{device}:0")
        assert near(made.cpu(), expected, drawn)


class Waits(TorchDispatchMode):
    """Lists what makes the host wait for a card: numbers and shapes that depend on its tensors."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.__name__.split(".")[0]
        by_index = name in ("index", "index_put", "index_put_", "_index_put_impl_")
        masked = by_index and any(i is not None and i.dtype == torch.bool for i in args[1])
        if masked or name in ("_local_scalar_dense", "nonzero", "masked_select", "equal"):
            self.found += [name] * (device_of(args[0]) != CPU)
        return function(*args, **(kwargs or {}))


def test_a_card_is_never_waited_for(monkeypatch):
    waves, drawn = notes(100, 2_048), chains(100, seed=10)
    with cards(monkeypatch):
        waves = waves.to("cuda:1")
        vary(waves, drawn)  # filters are made once
        with Waits() as waits:
            vary(waves, drawn)
        assert waits.found == []
        with Waits() as waits:
            waves[waves[:, 0] > 0]
            waves[0, 0].item()
        assert waits.found == ["index", "_local_scalar_dense"]


def test_bad_input_is_named():
    with pytest.raises(InputError, match=r"waves: has shape \(3, 600\); .* \(n=4, L\)"):
        vary(torch.zeros(3, 600), chains(4))
    with pytest.raises(InputError, match="samples of a clip: is 511; give 512 or more"):
        vary(torch.zeros(3, 511), chains(3))
    with pytest.raises(InputError, match="share: is 1.5; give a number from 0 to 1"):
        Chains.draw(np.random.default_rng(0), 3, 1.5)
