from dataclasses import replace

import numpy as np
import pytest
import torch

from mars_lib.check import InputError
from mars_lib.config import TrainingConfig
from mars_lib.data import manifests, mini_music
from mars_lib.data.mixtures import MixtureStream
from mars_lib.data.synthesis.classes import sound_classes
from mars_lib.evaluation.judge import Judge, probability, right
from mars_lib.inference import pretrained
from mars_lib.io import assets as files
from mars_lib.training import judge_training as judge_training
from mars_lib.training import minibind_trunks
from mars_lib.training.query_bank import QueryBank


@pytest.fixture(scope="module")
def judge():
    return pretrained.load_judge()


@pytest.fixture(scope="module")
def clips():
    """Two test clips of every class, and their names."""
    music, known = manifests.music(), sound_classes()
    waves = [music.clip("test", sound, i) for sound in known for i in range(2)]
    return torch.from_numpy(np.stack(waves)), [sound.name for sound in known for _ in range(2)]


def test_it_knows_the_classes_and_nobody_can_train_it(judge):
    assert judge.names == tuple(sound.name for sound in sound_classes())
    assert not judge.training and not any(p.requires_grad for p in judge.parameters())
    assert sum(p.numel() for p in judge.parameters()) < 1_000_000


@pytest.mark.parametrize("samples", [10, 1_279, 16_000, 40_001])
def test_any_length_has_a_verdict_even_silence(judge, samples, generator):
    noise = torch.randn(2, samples, generator=generator)
    for wave in (noise, torch.zeros(2, samples)):
        logits = judge(wave)
        assert logits.shape == (2, len(judge.names)) and torch.isfinite(logits).all()


def test_the_level_does_not_matter(judge, clips):
    logits = judge(clips[0][:8])
    for gain in (1e-4, 30.0, -1.0):
        assert torch.allclose(judge(gain * clips[0][:8]), logits, atol=1e-2)


def test_it_names_clean_test_clips(judge, clips):
    waves, names = clips
    assert right(judge, waves, names).float().mean() > 0.6
    wrong_names = names[2:] + names[:2]
    assert right(judge, waves, wrong_names).float().mean() < 0.1
    given = probability(judge, waves, names)
    assert ((0 <= given) & (given <= 1)).all()
    assert given.mean() > probability(judge, waves, wrong_names).mean() + 0.3


def test_it_names_the_louder_source(judge, clips):
    waves, names = clips
    other = waves.roll(2, dims=0)
    faint, equal = (
        right(judge, waves + gain * other, names).float().mean() for gain in (0.03, 1.0)
    )
    drowned = right(judge, 0.03 * waves + other, names).float().mean()
    assert faint > equal > drowned


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda j: j(torch.zeros(9_000)), "waveform: has shape"),
        (lambda j: j(torch.full((1, 9_000), float("nan"))), "NaN"),
        (
            lambda j: right(j, torch.zeros(1, 9_000), ["kazoo"]),
            "'kazoo': is unknown to the held-out classifier",
        ),
        (lambda j: probability(j, torch.zeros(2, 9_000), ["harp"]), "estimate: has shape"),
    ],
)
def test_bad_input_is_named(judge, call, problem):
    with pytest.raises(InputError, match=problem):
        call(judge)


def test_other_checkpoints_are_refused():
    with pytest.raises(InputError, match="holds minibind, not a judge"):
        pretrained.load_judge(files.checkpoint("minibind"))


class Listening:
    """Noise under the names of mini-MUSIC's first classes; remembers the clips it was asked for."""

    def __init__(self):
        self.clips, self.purposes = set(), set()

    def classes(self, split):
        return list(sound_classes()[:5])

    def pictures(self, sound, split):
        return []

    def clip(self, split, sound, index, stream=None):
        rng = mini_music.clip_rng(split, sound.name, index, stream)
        self.purposes.add(stream.purpose)
        self.clips.add(rng.bytes(16))
        return 0.1 * rng.standard_normal(8_000, dtype=np.float32)

    def recording(self, split, sound, index, stream=None):
        return str(index)


@pytest.mark.parametrize("seed", [0, 99, 100, 300])
def test_nobody_else_was_trained_on_its_clips(minibind, monkeypatch, seed):
    """Clip numbers of a separator's seeds from 100 on ran into those of queries, of 300 into the
    judge's.
    """
    monkeypatch.setattr(judge_training, "PER_CLASS", 3)
    heard = {name: Listening() for name in ("separator", "query", "encoder", "judge")}
    training = replace(TrainingConfig(), batch_size=4, seed=seed)
    MixtureStream(heard["separator"], "train", training).batch(0)
    MixtureStream(heard["separator"], "train", training).batch(training.steps - 1)
    QueryBank.embed(
        minibind, heard["query"], heard["query"].classes("train"), "train", 3, progress=False
    )
    minibind_trunks.audio_batches(heard["encoder"], 4, 0)(0)
    trained = judge_training.train_judge(heard["judge"], steps=2, batch_size=6, progress=False)
    assert all(each.purposes == {f"{name} clips"} for name, each in heard.items())
    assert len(set.union(*(each.clips for each in heard.values()))) == sum(
        len(each.clips) for each in heard.values()
    )
    assert not trained.training and trained.names == tuple(s.name for s in sound_classes()[:5])


PITCHES = torch.tensor([100.0, 400.0, 1_600.0])


@pytest.fixture
def tones():
    """Three classes of one clip each, two octaves apart."""
    time = torch.arange(16_000) / 16_000
    return torch.sin(2 * torch.pi * PITCHES[:, None] * time)


def test_it_is_taught_what_estimates_sound_like(tones):
    batches = judge_training.estimate_batches(tones.half(), torch.arange(3), 48, seed=0)
    heard, labels = batches(5)
    assert torch.equal(heard, batches(5)[0]) and len(heard) == len(labels) == 48
    assert 8_000 <= heard.shape[1] <= 12_000 and torch.isfinite(heard).all()
    # Energy further than half an octave from the class's own tone: the changes of speed stay
    # within.
    power = torch.fft.rfft(heard * torch.hann_window(heard.shape[1]), dim=-1).abs().square()
    frequency = torch.fft.rfftfreq(heard.shape[1], 1 / 16_000)
    octaves = (frequency / PITCHES[labels, None]).clamp(min=1e-3).log2().abs()
    foreign = (power * (octaves > 0.5)).sum(dim=-1) / power.sum(dim=-1)
    intruded, masked, plain = foreign[:16], foreign[16:32], foreign[32:]
    assert 0.01 < intruded.max() < 0.15 and masked.max() < 0.01 and plain.max() < 1e-3
    assert (heard[32:].square().mean(dim=1) > 0.3).all()


def test_learns_in_a_few_steps(tones, generator):
    torch.manual_seed(0)
    clicks = (torch.arange(16_000) % 2_000 < 40).float()
    sounds = torch.stack([tones[1], torch.randn(16_000, generator=generator), clicks])
    judge = Judge(["tone", "noise", "clicks"], width=16)
    batches = judge_training.estimate_batches(sounds, torch.arange(3), 24, seed=0)
    minibind_trunks.train_classifier(judge, batches, 60, "judge", progress=False)
    assert right(judge, sounds, judge.names).all()
