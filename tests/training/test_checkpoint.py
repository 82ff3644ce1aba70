import errno
import json
import pickle
import struct
from functools import partial

import pytest
import torch
from safetensors.torch import save_file

from mars_lib.check import InputError
from mars_lib.io import checkpoint


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "a.safetensors"
    checkpoint.save(path, {"net.w": torch.arange(4.0)}, {"kind": "separator", "n": 3})
    return path


def test_comes_back_with_its_meta(saved):
    loaded = checkpoint.load(saved, "separator")
    assert loaded.meta["n"] == 3 and loaded.part("net")["w"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("length", [0x0280, 0x0480, 0x4B50])
def test_a_header_whose_length_looks_like_a_pickle_is_none(tmp_path, length):
    """The first bytes of a safetensors file are the length of its header: 0x0280 begins as a pickle
    does, 0x4B50 is "PK".
    """
    header = json.dumps(
        {
            "__metadata__": {"mars": json.dumps({"kind": "heads"})},
            "x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
        }
    )
    path = tmp_path / "x.safetensors"
    path.write_bytes(
        struct.pack("<Q", length) + header.encode().ljust(length) + struct.pack("<f", 1.0)
    )
    assert checkpoint.load(path, "heads").tensors["x"].tolist() == [1.0]


def test_a_published_attention_mask_may_be_infinite_and_nothing_may_be_nan(tmp_path):
    path = tmp_path / "x.safetensors"
    for kind, value, loads in (
        ("imagebind", -float("inf"), True),
        ("imagebind", float("nan"), False),
        ("heads", -float("inf"), False),
    ):
        checkpoint.save(path, {"mask": torch.tensor([0.0, value])}, {"kind": kind})
        if loads:
            assert checkpoint.load(path, kind).tensors["mask"][1] == value
            continue
        with pytest.raises(InputError, match="holds NaN or infinite weights"):
            checkpoint.load(path, kind)


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


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("[1, 2]", "has a header that is"),
        ('"separator"', "has a header that is"),
        ("[" * 100_000, "truncated or corrupt"),
        ('{"kind": ["separator"]}', "not a separator"),
        ('{"kind": "separator", "config": 5}', "has config 5 in its header"),
        ('{"kind": "separator", "step": true}', "has step True in its header"),
        ('{"kind": "separator", "names": ["harp", 3]}', "names in its header that are no words"),
    ],
)
def test_a_header_of_other_things_is_named(tmp_path, header, problem):
    path = tmp_path / "a.safetensors"
    save_file({"w": torch.zeros(2)}, path, metadata={"mars": header})
    with pytest.raises(InputError, match=problem):
        checkpoint.load(path, "separator")


def test_what_is_missing_is_named_when_it_is_asked_for(saved):
    loaded = checkpoint.load(saved, "separator")
    for part, key in ((loaded.meta, "config"), (loaded.tensors, "net.v")):
        with pytest.raises(InputError, match=f"a.safetensors: lacks '{key}'; fetch or train"):
            part[key]


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64, torch.float8_e5m2])
@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path, dtype, value):
    path = tmp_path / "a.safetensors"
    weights = torch.tensor([1.0, value]).to(dtype)
    checkpoint.save(
        path, {"a.w": torch.ones(2), "b.w": weights, "n": torch.tensor(3)}, {"kind": "judge"}
    )
    with pytest.raises(InputError, match=r"NaN or infinite weights \(first in b.w\)"):
        checkpoint.load(path, "judge")


def test_sizes_are_compared_before_memory_is_taken():
    def huge():
        return torch.nn.Linear(1 << 20, 1 << 20)  # 4 TB

    with pytest.raises(
        InputError, match="checkpoint x: does not fit this configuration .first at bias"
    ):
        checkpoint.build(
            huge, {"weight": torch.zeros(3, 3), "bias": torch.zeros(3)}, "checkpoint x"
        )
    for size in (-1, 10**30):
        with pytest.raises(InputError, match="sizes that no network has"):
            checkpoint.build(partial(torch.nn.Linear, 3, size), {}, "checkpoint x")


def test_weights_of_another_kind_of_number_are_refused():
    whole = {"weight": torch.zeros(3, 3, dtype=torch.int64), "bias": torch.zeros(3)}
    with pytest.raises(InputError, match="first at weight"):
        checkpoint.restore(torch.nn.Linear(3, 3), whole, "checkpoint x")


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
