"""The reward encoder of notebooks 04 to 06: ImageBind where its weights are, and then the notebooks
run with it to their end.
"""

import json
from pathlib import Path

import pytest
from IPython.display import display

from mars_lib.check import InputError
from mars_lib.course import reward_encoder
from mars_lib.inference import pretrained
from mars_lib.io import assets
from tests.encoders.imagebind_small import need_imagebind, small

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


@pytest.fixture
def weights(monkeypatch):
    """The name of a file of weights, which a small ImageBind stands for."""
    need_imagebind()
    asked, others = [], pretrained.load_encoder

    def load_encoder(name, path=None):
        if name != "imagebind":
            return others(name, path)
        asked.append((name, path))
        return small()

    monkeypatch.setattr(pretrained, "load_encoder", load_encoder)
    yield "imagebind_huge.pth"
    assert asked == [("imagebind", Path("imagebind_huge.pth"))]


@pytest.mark.parametrize(("ours", "heads"), [("MiniBind", None), ("MiniBind2", "stage3")])
@pytest.mark.parametrize("profile", ["smoke", "cpu", "gpu"])
def test_it_is_ours_and_says_why_where_there_are_no_weights(
    profile, ours, heads, monkeypatch, tmp_path
):
    monkeypatch.setattr(reward_encoder.assets, "folder", lambda: tmp_path / "empty")
    monkeypatch.setattr(reward_encoder.pretrained, "load_encoder", _Placed)
    monkeypatch.setattr(
        reward_encoder.pretrained, "load_mlbp", lambda heads, encoder: _Placed((heads, encoder))
    )
    found = reward_encoder.load(profile, ours=ours)
    assert (found.name, found.encoder.what) == (ours, ours.lower())
    assert found.pooling.what == (heads, ours.lower())
    assert str(found).startswith(f"reward encoder: {ours} (ImageBind is ")
    assert ("not in data/weights" in str(found)) == (profile == "gpu")


class _Placed:
    def __init__(self, what):
        self.what = what

    def to(self, device):
        return self


def test_weights_in_their_place_are_found_in_the_gpu_profile_alone(monkeypatch, tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "imagebind_huge.pth").touch()
    monkeypatch.setattr(assets, "folder", lambda: tmp_path)
    assert reward_encoder._found() == tmp_path / "weights" / "imagebind_huge.pth"
    (tmp_path / "weights" / "imagebind_huge.safetensors").touch()
    assert reward_encoder._found().suffix == ".safetensors"  # read without another conversion


def test_weights_that_are_not_there(tmp_path):
    with pytest.raises(InputError):
        reward_encoder.load("cpu", tmp_path / "none.pth")


@pytest.mark.encoders
@pytest.mark.parametrize(
    "name", ["04_multimodal_rewards", "05_progressive_alignment", "06_ppo_training"]
)
def test_the_notebook_runs_with_imagebind(name, weights, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    notebook = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))
    space = {"__name__": "__main__", "display": display}  # as a kernel has it
    for i, cell in enumerate(cell for cell in notebook["cells"] if cell["cell_type"] == "code"):
        exec(compile("".join(cell["source"]), f"{name}, code cell {i}", "exec"), space)
        if "parameters" in cell["metadata"].get("tags", []):
            space |= {"PROFILE": "smoke", "WEIGHTS": weights}
    assert "reward encoder: ImageBind (" in capsys.readouterr().out
