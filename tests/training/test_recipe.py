import pytest
import torch

from mars_lib import config
from mars_lib.check import InputError
from mars_lib.experiments.exported_separators import blend
from mars_lib.inference import system
from mars_lib.io import checkpoint
from mars_lib.separator import Separator


def separator(path, seed, width=4):
    torch.manual_seed(seed)
    kept = config.to_dict(config.smoke())
    kept["separator"]["width"] = width
    net = Separator(config.from_dict(kept))
    checkpoint.save(
        path,
        {f"separator.{k}": v for k, v in net.state_dict().items()},
        {"kind": "separator", "config": kept},
    )
    return path


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_blend_lies_between_start_and_end(tmp_path, share):
    start, end = separator(tmp_path / "a.safetensors", 0), separator(tmp_path / "b.safetensors", 1)
    blend(start, end, tmp_path / "c.safetensors", share)
    found, a, b = (
        system.load(tmp_path / f"{name}.safetensors", "cpu").separator.state_dict()
        for name in "cab"
    )
    for name, value in found.items():
        expected = a[name] + share * (b[name] - a[name]) if value.is_floating_point() else b[name]
        assert torch.allclose(value, expected, atol=2e-3)  # half precision


def test_separators_of_two_sizes_are_not_blended(tmp_path):
    start, end = (
        separator(tmp_path / "a.safetensors", 0),
        separator(tmp_path / "b.safetensors", 0, width=8),
    )
    with pytest.raises(InputError, match="another configuration"):
        blend(start, end, tmp_path / "c.safetensors")
    assert not (tmp_path / "c.safetensors").exists()
