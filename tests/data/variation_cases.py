"""Clips and recording chains for tests, and what the reference makes of the same chains.

The reference is led through a chain by a generator that says what the chain says; what it asks that
generator for is kept, to hold the chains' distributions against.
"""

from collections import defaultdict
from dataclasses import fields

import numpy as np
import torch

from mars_lib.data import mini_music, variation
from mars_lib.data.variation import COMPANDED, HALF_RATE, PLAIN, RATE, Chains
from tests.data import reference_variation

CPU = torch.device("cpu")
# A transform of so many samples has no padding, so both sides can have the same noise.
LENGTH = 16_000
NEUTRAL = {
    "taken": True,
    "cents": 0,
    "vibrato_cents": 0,
    "equaliser": 0,
    "low_cut": 0,
    "high_cut": np.inf,
    "room": 0,
    "drive": 0,
    "codec": PLAIN,
    "noise": -np.inf,
}


def notes(count, length=LENGTH, seed=0):
    """Harmonic notes that swell and fade, with a breath of noise: (count, length), levelled."""
    rng = np.random.default_rng(seed)
    time = np.arange(length) / RATE
    made = []
    for _ in range(count):
        pitch, tilt = np.exp(rng.uniform(*np.log((100, 800)))), rng.uniform(0.5, 2)
        partials = np.arange(1, min(40, int(7_900 / pitch)) + 1)
        phases = 2 * np.pi * rng.random((len(partials), 1))
        wave = (partials**-tilt) @ np.sin(2 * np.pi * pitch * partials[:, None] * time + phases)
        envelope = np.minimum(20 * time, 1) * np.exp(-rng.uniform(0, 4) * time)
        made.append(mini_music.level((wave + 0.001 * rng.standard_normal(length)) * envelope))
    return torch.from_numpy(np.stack(made).astype(np.float32))


def chains(count, seed=0, **changes):
    """Chains that were drawn, with some fields set for all."""
    drawn = Chains.draw(np.random.default_rng(seed), count)
    for name, value in changes.items():
        getattr(drawn, name)[:] = value
    return drawn


def single(count, **effect):
    """Chains of one effect alone."""
    return chains(count, **{**NEUTRAL, **effect})


def near(found, expected, drawn, tolerance=1e-6):
    """Tell whether rows are the same to a tolerance.

    But of companded clips one sample in fifty may have been rounded to the next step, which is
    4.5 % away.
    """
    apart = (found - expected).abs()
    far = (apart > tolerance).float().mean(dim=1)
    steps = torch.from_numpy((drawn.codec == COMPANDED) & drawn.taken)
    one = 0.05 * expected.abs().amax(dim=1, keepdim=True)
    return not far[~steps].any() and (far[steps] < 0.02).all() and not (apart > one).any()


class Coin:
    """A random number that is below any probability, or below none, and keeps the probability."""

    def __init__(self, name, heads, asked):
        self.name, self.heads, self.asked = name, heads, asked

    def __lt__(self, probability):
        self.asked[self.name].append(probability)
        return self.heads


class Scripted:
    """In place of NumPy's generator: says what one chain says, in the order of the reference.

    `asked` collects what the reference wanted of each number: a range, or for a coin, whose name
    begins with a question mark, a probability.
    """

    def __init__(self, chain, asked, length):
        self.asked, self.length = asked, length
        self.script = iter(self.lines({f.name: getattr(chain, f.name)[0] for f in fields(chain)}))

    def lines(self, c):
        detuned = c["cents"] != 0 or c["vibrato_cents"] > 0
        yield "?detuned", detuned
        if detuned:
            yield "cents", c["cents"]
            yield "?vibrato", c["vibrato_cents"] > 0
            if c["vibrato_cents"] > 0:
                for name in ("delay", "cents", "hertz", "phase"):
                    yield f"vibrato_{name}", c[f"vibrato_{name}"]
        yield "?equaliser", c["equaliser"].any()
        if c["equaliser"].any():
            yield "knots", c["knots"]
            yield "spread", 1.0  # already in the equaliser's dB
            yield "equaliser", c["equaliser"][: c["knots"]]
        yield "?low_cut", c["low_cut"] > 0
        if c["low_cut"] > 0:
            yield "low_cut", c["low_cut"]
        yield "?high_cut", np.isfinite(c["high_cut"])
        if np.isfinite(c["high_cut"]):
            yield "log high_cut", np.log(c["high_cut"])
        yield "?room", c["room"] > 0
        if c["room"] > 0:
            # Rounding may not cost a sample of the tail.
            yield "log room", np.log(c["room"]) + 1e-12
            count = int(c["room"] * RATE)
            yield "tail", variation._normal(c["seed"][None], np.array([count]), CPU)[0].numpy()
            yield "room_delay", c["room_delay"]
            yield "room_level", c["room_level"]
        yield "?drive", c["drive"] > 0
        if c["drive"] > 0:
            yield "drive", c["drive"]
        yield "?codec", c["codec"] != PLAIN
        if c["codec"] != PLAIN:
            yield "?resampled", c["codec"] != COMPANDED
            if c["codec"] != COMPANDED:
                yield "codec", c["codec"] - HALF_RATE
        yield "?noise", np.isfinite(c["noise"])
        if np.isfinite(c["noise"]):
            yield "noise", c["noise"]
            yield "white", self.white(c["seed"])
            yield "noise_slope", c["noise_slope"]

    def white(self, seed):
        """White noise with the spectrum that is drawn for a seed."""
        bins = self.length // 2 + 1
        numbers = variation._normal(seed[None] + 1, np.array([2 * bins]), CPU)[0].numpy()
        spectrum = numbers[::2] + 1j * numbers[1::2]
        spectrum[0] *= np.sqrt(2)
        return np.fft.irfft(spectrum, self.length)

    def random(self):
        name, heads = next(self.script)
        assert name.startswith("?")
        return Coin(name, heads, self.asked)

    def uniform(self, low, high):
        name, value = next(self.script)
        assert low - 1e-9 <= value <= high + 1e-9, name
        self.asked[name].append((low, high))
        return value

    def normal(self, mean, spread, count=None):
        name, value = next(self.script)
        assert np.size(value) == (count or 1)
        self.asked[name].append((mean, spread))
        return value

    def integers(self, *ends):
        name, value = next(self.script)
        assert value in range(*ends), name
        self.asked[name].append(ends)
        return value

    def standard_normal(self, count):
        name, value = next(self.script)
        assert name in ("tail", "white") and len(value) == count
        return value


def reference(waves, drawn):
    """What the reference makes of (n, L) clips in the same chains, and what it asked for."""
    asked, made = defaultdict(list), []
    for i, wave in enumerate(waves.numpy()):
        rng = Scripted(drawn[i : i + 1], asked, len(wave))
        made.append(mini_music.level(reference_variation.vary(wave, rng)))
        assert next(rng.script, None) is None
    return torch.from_numpy(np.stack(made)), {name: set(said) for name, said in asked.items()}
