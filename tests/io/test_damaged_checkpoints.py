"""Every kind of checkpoint that is read: damaged weights and headers are named, before any memory
is taken.
"""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from mars_lib import alignment, config
from mars_lib.check import InputError
from mars_lib.data import manifests
from mars_lib.encoders.projection import restore_heads
from mars_lib.experiments import compared_systems
from mars_lib.inference import pretrained, system
from mars_lib.io import assets, checkpoint
from mars_lib.separator import Separator
from mars_lib.training.reinforce import train_rl
from mars_lib.training.rl_config import RLConfig
from mars_lib.training.state import separator_checkpoint


def changed(source, path, weight=None, **header):
    """A copy of a checkpoint with entries of its header changed and, with `weight`, NaN in its
    first tensor of numbers.
    """
    with safe_open(source, framework="pt") as file:
        meta, tensors = (
            json.loads(file.metadata()["mars"]),
            {k: file.get_tensor(k) for k in list(file.keys())},
        )
    for key, value in header.items():
        meta.pop(key) if value is None else meta.update({key: value})
    if weight is not None:
        name = next(k for k, v in tensors.items() if v.is_floating_point())
        tensors[name] = torch.full_like(tensors[name], weight)
    save_file(tensors, path, metadata={"mars": json.dumps(meta)})
    return path


@pytest.fixture
def heads(tmp_path):
    """Aligned heads of MiniBind in a file of their own."""
    path = tmp_path / "heads.safetensors"
    alignment.save_heads(pretrained.load_minibind(), path)
    return path


def of_a_system(path):
    return compared_systems.load(path.parent)


READERS = {
    "separator": (lambda: assets.checkpoint("pathwise-small"), system.load),
    "minibind": (lambda: assets.checkpoint("minibind"), pretrained.load_minibind),
    "mlbp": (lambda: assets.checkpoint("mlbp"), pretrained.load_mlbp),
    "judge": (lambda: assets.checkpoint("judge"), pretrained.load_judge),
    "omnisep": (
        lambda: assets.folder() / "checkpoints" / "systems" / "omnisep-0.safetensors",
        of_a_system,
    ),
    "audiosep": (
        lambda: assets.folder() / "checkpoints" / "systems" / "audiosep-0.safetensors",
        of_a_system,
    ),
    "clipsep-nit": (
        lambda: assets.folder() / "checkpoints" / "systems" / "clipsep-nit-0.safetensors",
        of_a_system,
    ),
}


@pytest.mark.parametrize("kind", READERS)
def test_nan_weights(kind, tmp_path):
    source, read = READERS[kind]
    path = changed(source(), tmp_path / source().name, weight=float("nan"))
    with pytest.raises(InputError, match=f"checkpoint {path}: holds NaN or infinite weights"):
        read(path)


@pytest.mark.parametrize(
    ("kind", "header", "problem"),
    [
        ("separator", {"config": None}, "lacks 'config'"),
        ("separator", {"config": 3}, "has config 3"),
        ("omnisep", {"config": {}}, "does not fit this version"),
        ("minibind", {"embedding_size": None}, "lacks 'embedding_size'"),
        ("minibind", {"embedding_size": 1 << 40}, "does not fit"),
        ("minibind", {"embedding_size": "256"}, "has embedding_size '256'"),
        ("mlbp", {"rank": 1 << 40}, "does not fit"),
        ("mlbp", {"rank": -1}, "does not fit"),
        ("judge", {"names": ["harp"]}, "does not fit"),
        ("judge", {"names": "harp"}, "has names 'harp'"),
        ("judge", {"names": None}, "lacks 'names'"),
    ],
)
def test_headers(kind, header, problem, tmp_path):
    source, read = READERS[kind]
    path = changed(source(), tmp_path / source().name, **header)
    with pytest.raises(InputError, match=f"checkpoint {path}: .*{problem}"):
        read(path)


@pytest.mark.parametrize("kind", ["separator", "audiosep", "clipsep-nit"])
@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("separator", "width", 1_000),
        ("separator", "width", 10**12),
        ("separator", "n_layers", 10**9),
        ("separator", "n_masks", -1),
        ("separator", "embedding_size", "256"),
        ("signal", "n_bins", 10**9),
        ("signal", "n_fft", 10**12),
        ("signal", "hop_length", 0),
        ("signal", "hop_length", 1_000),
        ("signal", "length", 5),
        ("signal", "sample_rate", float("nan")),
        ("training", "n_sources", 10**9),
        ("training", "gain_low", "loud"),
        ("training", "query_own_recording", 1),
        ("training", "gradient_clip", float("nan")),
    ],
)
def test_sizes_and_types_of_a_configuration(kind, part, field, value, tmp_path):
    source, read = READERS[kind]
    settings = json.loads(json.dumps(checkpoint.load(source(), kind).meta["config"]))
    settings[part][field] = value
    path = changed(source(), tmp_path / source().name, config=settings)
    with pytest.raises(InputError, match=f"checkpoint {path}: (has|does not fit)"):
        read(path)


def test_configurations_come_back_and_others_are_refused():
    for whole in (
        config.paper(),
        config.small(),
        config.smoke(),
        config.profile("gpu"),
        config.comparison(),
    ):
        assert config.from_dict(json.loads(json.dumps(config.to_dict(whole)))) == whole
    plain = config.to_dict(config.small())
    for wrong in (
        None,
        3,
        "small",
        [],
        {},
        {**plain, "signal": [1]},
        {**plain, "training": None},
        {**plain, "encoder": 5},
    ):
        with pytest.raises(InputError, match="configuration: "):
            config.from_dict(wrong)


def test_heads(heads, tmp_path):
    encoder = pretrained.load_minibind()
    alignment.load_heads(encoder, heads)
    for change, problem in (
        ({"trunks": None}, "lacks 'trunks'"),
        ({"trunks": 5}, "has trunks 5"),
        ({"weight": float("inf")}, "NaN or infinite"),
    ):
        with pytest.raises(InputError, match=problem):
            alignment.load_heads(encoder, changed(heads, tmp_path / "other.safetensors", **change))
    saved = checkpoint.load(heads, "heads")
    del saved.tensors["log_temperature"]
    before = encoder.heads["audio"].weight.clone()
    with pytest.raises(InputError, match="first at log_temperature"):
        restore_heads(encoder, saved, "heads")
    assert torch.equal(encoder.heads["audio"].weight, before)


def test_reinforcement_refuses_a_start_of_nan(tmp_path):
    settings = config.smoke()
    tensors, meta = separator_checkpoint(config.to_dict(settings), Separator(settings))
    tensors["separator.gate.bias"] = torch.full((1,), float("nan"))
    checkpoint.save(tmp_path / "start.safetensors", tensors, meta)
    with pytest.raises(
        InputError,
        match="start.safetensors: holds NaN or infinite weights .first in separator.gate.bias",
    ):
        train_rl(
            tmp_path / "start.safetensors",
            RLConfig(precision="32-true", steps=1),
            manifests.music(),
            pretrained.load_minibind(),
            pretrained.load_mlbp(),
            tmp_path / "out",
            accelerator="cpu",
            progress=False,
        )
    assert not (tmp_path / "out").exists()


def test_an_estimate_that_is_not_finite_is_named(shipped_apart, example):
    with torch.no_grad():
        shipped_apart.separator.gate.bias.fill_(float("nan"))
    with pytest.raises(InputError, match="estimate: holds .* NaN or infinite"):
        shipped_apart.separate(example[0], 16_000, text="harp")


@pytest.fixture
def shipped_apart():
    """The pretrained system, for a test that damages it."""
    return system.load(device="cpu")
