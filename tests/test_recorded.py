"""What shipped checkpoints returned, and what short trainings did, before the package was
rearranged.

`python -m tests.test_recorded` records anew: only after a change that is meant to change numbers.
"""

import csv
import hashlib
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from mars_lib import config
from mars_lib.baselines.audiosep import AUDIOSEP
from mars_lib.baselines.clipsep_nit import CLIPSEP_NIT
from mars_lib.config import PolicyConfig
from mars_lib.data import manifests, pictures
from mars_lib.inference import pretrained, system
from mars_lib.io import checkpoint
from mars_lib.separator import Separator
from mars_lib.training.method import OMNISEP
from mars_lib.training.reinforce import train_rl
from mars_lib.training.rl_config import RLConfig
from mars_lib.training.state import separator_checkpoint
from mars_lib.training.supervised import train_supervised
from tests.data.few import few

RECORDED = Path(__file__).parent / "recorded"
# Enough samples to tell one estimate from another.
EVERY = 37
QUICK = RLConfig(
    steps=4,
    batch_size=4,
    validate_every=2,
    validation_mixtures=4,
    queries_per_class=2,
    precision="32-true",
    learning_rate=1e-3,
    augment=0.5,
    anchor=0.1,
)
PAPER = PolicyConfig(lag=1)
GROUP = PolicyConfig(
    group_size=4,
    patch=4,
    antithetic=True,
    ratio="frame",
    lag=2,
    kappa_end=20.0,
    kappa_schedule="cosine",
)
RL_RUNS = {
    "score": replace(QUICK, policy=PAPER),
    "score-group": replace(QUICK, policy=GROUP, accumulate=2),
    "pathwise": replace(
        QUICK, estimator="pathwise", policy=replace(PAPER, entropy_coefficient=0.0)
    ),
    "mode": replace(QUICK, estimator="mode", reward="signal", signal_weight=0.03),
    "wbce": replace(QUICK, estimator="supervised", anchor=1.0),
}
METHODS = {"omnisep": OMNISEP, "clipsep-nit": CLIPSEP_NIT, "audiosep": AUDIOSEP}


@torch.no_grad()
def estimates() -> dict[str, torch.Tensor]:
    """One estimate (L,) for each way to ask each shipped separator."""
    found = {}
    mixture, references = manifests.example("trumpet", "harp", clip=6)
    picture = pictures.load_picture(pictures.drawings(sound("harp"), "test")[0])
    ways = {
        "text": {"text": "trumpet"},
        "audio": {"audio": (references[1], 16_000)},
        "image": {"image": picture},
        "composed": {"text": "harp", "image": picture, "negative_text": "trumpet"},
    }
    for name in ("pathwise-small", "separator-small"):
        loaded = system.load(name, "cpu")
        for way, query in ways.items():
            found[f"{name}.{way}"] = loaded.separate(mixture, 16_000, **query)
        stereo = torch.stack([mixture, 0.5 * mixture])
        found[f"{name}.stereo-44100"] = loaded.separate(stereo.repeat(1, 4), 44_100, text="harp")[1]
    return found


def sound(name: str):
    return next(each for each in manifests.music().classes("test") if each.name == name)


def trainings(folder: Path) -> dict[str, dict]:
    """Of every kind of short run: the columns of its log, and a digest of its last weights."""
    encoder, pooling = pretrained.load_minibind(), pretrained.load_mlbp()
    judge = pretrained.load_judge()
    smoke = config.smoke()
    smoke = replace(
        smoke, signal=replace(smoke.signal, length=8_191), training=replace(smoke.training, steps=4)
    )
    torch.manual_seed(0)
    start = folder / "start.safetensors"
    checkpoint.save(start, *separator_checkpoint(config.to_dict(smoke), Separator(smoke)))
    quiet = {"accelerator": "cpu", "progress": False}
    found = {}
    for name, settings in RL_RUNS.items():
        best = train_rl(
            start, settings, few(), encoder, pooling, folder / name, judge=judge, **quiet
        )
        found[name] = outcome(best.parent)
    for name, method in METHODS.items():
        best = train_supervised(smoke, few(), encoder, folder / name, method=method, **quiet)
        found[name] = outcome(best.parent)
    return found


def outcome(folder: Path) -> dict:
    rows = list(csv.DictReader((folder / "metrics.csv").open()))
    columns = {
        name: torch.tensor([float(row[name] or "nan") for row in rows], dtype=torch.float64)
        for name in rows[0]
    }
    last = checkpoint.load(folder / "last.safetensors", "separator", "clipsep-nit", "audiosep")
    return {"log": columns, "digest": digest(*(last.tensors[key] for key in sorted(last.tensors)))}


def digest(*tensors: torch.Tensor) -> str:
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]


def machine() -> str:
    """Where the same bits can be expected: the instructions, threads and version that computed
    them.
    """
    processor = torch.backends.cpu.get_cpu_capability()
    return f"torch {torch.__version__}, {processor}, {torch.get_num_threads()} threads"


@pytest.fixture(scope="module")
def recorded():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)  # as when it was recorded
    yield read()
    torch.set_num_threads(threads)


def read() -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """What was recorded, and digests by name."""
    with safe_open(RECORDED / "before.safetensors", "pt") as file:
        names = list(file.keys())
        return {key: file.get_tensor(key) for key in names}, file.metadata()


def test_the_shipped_separators_return_what_they_returned(recorded):
    values, digests = recorded
    for name, estimate in estimates().items():
        torch.testing.assert_close(
            estimate[::EVERY].contiguous(), values[f"estimate.{name}"], rtol=0, atol=2e-5
        )
        if digests["machine"] == machine():
            assert digest(estimate) == digests[name], name


def test_short_trainings_do_what_they_did(recorded, tmp_path):
    values, digests = recorded
    for name, found in trainings(tmp_path).items():
        for column, numbers in found["log"].items():
            wanted = values[f"log.{name}.{column}"]
            torch.testing.assert_close(
                numbers, wanted, rtol=2e-3, atol=2e-4, equal_nan=True, msg=f"{name} {column}"
            )
        if digests["machine"] == machine():
            assert found["digest"] == digests[name], name


def record() -> None:
    values, digests = {}, {"machine": machine()}
    for name, estimate in estimates().items():
        values[f"estimate.{name}"] = estimate[::EVERY].contiguous()
        digests[name] = digest(estimate)
    with tempfile.TemporaryDirectory() as folder:
        for name, found in trainings(Path(folder)).items():
            values |= {f"log.{name}.{column}": numbers for column, numbers in found["log"].items()}
            digests[name] = found["digest"]
    save_file(values, RECORDED / "before.safetensors", digests)


if __name__ == "__main__":
    torch.set_num_threads(2)
    record()
