"""What a step sees depends on the seed and the step, and on nothing else."""

import os
import pickle
import signal
from dataclasses import replace

import pytest
import torch

from mars_lib import config
from mars_lib.check import InputError
from mars_lib.data import loader
from mars_lib.data.loader import mixtures, workers_for
from mars_lib.data.mixtures import MixtureStream
from mars_lib.data.pooled_music import PooledMusic
from mars_lib.io import processes
from tests.data.few import few

CPU = torch.device("cpu")
TRAINING = replace(config.smoke().training, clips_per_class=3, augment=0.7)


def stream(**changes):
    return MixtureStream(few(4_000), "train", replace(TRAINING, **changes))


def read(found):
    return [(step, batch.mixture, batch.references, batch.labels) for step, batch in found]


def same(one, other):
    return len(one) == len(other) and all(
        a[0] == b[0] and all(torch.equal(x, y) for x, y in zip(a[1:], b[1:]))
        for a, b in zip(one, other)
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_give_what_a_thread_gives(workers):
    assert same(
        read(mixtures(stream(), 2, 7, CPU, workers=workers)), read(mixtures(stream(), 2, 7, CPU))
    )


def test_a_run_that_goes_on_sees_what_it_would_have_seen():
    whole = read(mixtures(stream(), 0, 5, CPU))
    assert same(read(mixtures(stream(), 3, 5, CPU)), whole[3:])
    assert not torch.equal(whole[0][1], whole[1][1])
    assert not torch.equal(read(mixtures(stream(seed=1), 0, 1, CPU))[0][1], whole[0][1])


@pytest.mark.parametrize("parts", [2, 4])
def test_parts_of_a_step_are_the_step(parts):
    whole = read(mixtures(stream(), 0, 2, CPU))
    cut = [read(mixtures(stream(), 0, 2, CPU, (i, parts))) for i in range(parts)]
    for step in range(2):
        for field in (1, 2, 3):
            joined = torch.cat([part[step][field] for part in cut])
            assert torch.allclose(joined, whole[step][field], rtol=0, atol=1e-6)


def test_a_part_reads_its_own_clips_alone():
    asked, source = [], stream()
    clip = source.music.clip
    object.__setattr__(source.music, "clip", lambda *each: asked.append(each) or clip(*each))
    source.ingredients(0, (1, 2))
    assert len(asked) == TRAINING.batch_size // 2 * TRAINING.n_sources


def test_every_mixture_has_different_classes_and_all_classes_occur():
    labels = stream(batch_size=200).ingredients(0).labels
    assert (labels[:, 0] != labels[:, 1]).all()
    assert set(labels.flatten().tolist()) == set(range(len(few().classes("train"))))


def test_more_sources_than_classes_are_refused():
    with pytest.raises(InputError, match="split 'train': has 6 classes, for 7 sources"):
        stream(n_sources=7)


def test_random_numbers_of_the_process_stay_as_they_are():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    read(mixtures(stream(), 0, 2, CPU, workers=1))
    assert torch.equal(torch.rand(3), expected)


def test_a_pool_that_a_worker_gets_is_mapped_by_it(tmp_path, monkeypatch):
    monkeypatch.setenv("MARS_CACHE", str(tmp_path))
    music = PooledMusic(few(4_000), workers=1, progress=False)
    source = MixtureStream(music, "train", TRAINING)
    plain = read(mixtures(source, 0, 2, CPU))
    sent = pickle.dumps(source)
    assert len(sent) < 20_000  # paths, and no clips
    assert same(read(mixtures(pickle.loads(sent), 0, 2, CPU)), plain)
    assert same(read(mixtures(source, 0, 2, CPU, workers=2)), plain)


class Failing:
    """Its worker dies, or refuses, at step 1."""

    def __init__(self, how):
        self.how, self.source = how, stream()

    def ingredients(self, step, share):
        if step == 1:
            self.how()
        return self.source.ingredients(step, share)


def refuse():
    raise InputError("class 'kettle': holds only silence; give recordings that sound")


def die():
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    "how, message",
    [
        (refuse, "^class 'kettle': holds only silence; give recordings that sound$"),
        (die, "^a worker that reads clips: died.*--resume and fewer --workers$"),
    ],
)
def test_what_goes_wrong_in_a_worker_is_one_line(how, message):
    with pytest.raises(InputError, match=message):
        read(mixtures(Failing(how), 0, 3, CPU, workers=1))


def test_workers_are_chosen_by_the_device_and_bounded_by_the_cores(monkeypatch):
    monkeypatch.setattr(processes, "cores", lambda: 4)
    monkeypatch.setattr(loader, "cores", lambda: 4)
    assert workers_for(CPU, None) == 0 and workers_for(torch.device("cuda"), None) == 3
    assert workers_for(CPU, 4) == 4
    for wrong in (-1, 5):
        with pytest.raises(InputError, match=f"workers: is {wrong}, and there are 4 cores"):
            workers_for(CPU, wrong)
