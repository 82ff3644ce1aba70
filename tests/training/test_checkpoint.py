import errno
import pickle

import pytest
import torch

from mars_lib.check import InputError
from mars_lib.training import checkpoint


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "a.safetensors"
    checkpoint.save(path, {"net.w": torch.arange(4.0)}, {"kind": "separator", "n": 3})
    return path


def test_comes_back_with_its_meta(saved):
    loaded = checkpoint.load(saved, "separator")
    assert loaded.meta["n"] == 3 and loaded.part("net")["w"].tolist() == [0, 1, 2, 3]


def test_pickles_are_never_loaded(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was loaded",))

    for name, write in (
        ("torch.pt", lambda p: torch.save({"w": torch.zeros(2)}, p)),
        ("plain.safetensors", lambda p: p.write_bytes(pickle.dumps(Trap()))),
    ):
        write(tmp_path / name)
        with pytest.raises(InputError, match="is a pickle"):
            checkpoint.load(tmp_path / name, "separator")


def test_truncated_corrupt_missing_and_foreign(saved, tmp_path):
    data = saved.read_bytes()
    for name, content in (("cut", data[:-5]), ("noise", b"\x10" * 200), ("empty", b"")):
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(content)
        with pytest.raises(InputError, match="truncated or corrupt"):
            checkpoint.load(path, "separator")
    with pytest.raises(InputError, match="is not there"):
        checkpoint.load(tmp_path / "none.safetensors", "separator")
    with pytest.raises(InputError, match="holds separator, not a minibind"):
        checkpoint.load(saved, "minibind")


def test_another_preset_does_not_fit(saved):
    tensors = {"weight": torch.zeros(3, 3), "bias": torch.zeros(3)}
    with pytest.raises(InputError, match="first at weight"):
        checkpoint.restore(torch.nn.Linear(4, 3), tensors, "checkpoint x")
    with pytest.raises(InputError, match="bias"):
        checkpoint.restore(torch.nn.Linear(3, 3), {"weight": torch.zeros(3, 3)}, "checkpoint x")


def test_a_full_disk_keeps_the_old_checkpoint(saved, monkeypatch):
    before = saved.read_bytes()

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(InputError, match="disk is full"):
        checkpoint.save(saved, {}, {})
    assert saved.read_bytes() == before and len(list(saved.parent.iterdir())) == 1
