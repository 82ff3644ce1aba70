"""Trunk features: what they hold, and that a kept file is never stale."""

from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch

from mars_lib.alignment import features
from mars_lib.alignment.features import trunk_features
from mars_lib.alignment.needs import forecast
from mars_lib.alignment.report import report, table
from mars_lib.alignment.run import save_heads
from mars_lib.check import InputError
from mars_lib.data.folders import FolderMusic
from mars_lib.encoders.minibind import MiniBind
from mars_lib.io import paths
from tests.data.few import few


@pytest.fixture(scope="module")
def music():
    return few()


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return MiniBind().eval().requires_grad_(False)


def equal(a, b):
    return a.names == b.names and all(
        torch.allclose(x, y, atol=5e-3, rtol=5e-3)
        for m in ("audio", "text", "image")
        for x, y in zip(getattr(a, m), getattr(b, m))
    )


def test_shapes_and_variants(encoder, music):
    made = trunk_features(encoder, music, "train", clips=2, variants=3, progress=False)
    assert len(made.audio) == len(made.names) == 6
    assert (
        made.audio[0].shape == (2, 3, 256)
        and made.image[0].shape == (6, 256)
        and len(made.text[0]) >= 6
    )
    assert not torch.equal(made.audio[0][0, 0], made.audio[0][0, 1])
    # Held-out splits are taken as they are.
    test = trunk_features(encoder, music, "test", clips=2, variants=3, progress=False)
    assert test.audio[0].shape == (2, 1, 256) and test.image[0].shape == (2, 256)
    with pytest.raises(InputError, match="clips and variants"):
        trunk_features(encoder, music, "train", clips=0)


def test_contaminated_clips_hold_a_little_and_much_of_another_class(encoder, music, tmp_path):
    make = {"clips": 3, "variants": 1, "folder": tmp_path, "progress": False}
    plain = trunk_features(encoder, music, "train", **make)
    assert plain.contaminated is None
    made = trunk_features(encoder, music, "train", contaminated=True, **make)
    assert made.key != plain.key and made.contaminated[0].shape == (3, 2, 256)
    clean = torch.cat([rows[:, 0] for rows in made.audio])
    little, much = torch.cat(made.contaminated).unbind(dim=1)
    near = [torch.cosine_similarity(clean, each).mean() for each in (clean, little, much)]
    assert near[0] > near[1] > near[2]
    again = trunk_features(encoder, music, "train", contaminated=True, **make)
    assert torch.equal(torch.cat(again.contaminated), torch.cat(made.contaminated))


def test_every_clip_of_every_class_is_varied_in_its_own_way(encoder, music, monkeypatch):
    """The variation depended on the number of the clip alone: the same room for all classes."""
    drawn = []
    monkeypatch.setattr(
        features, "vary", lambda waves, chains: drawn.extend(chains.seed.tolist()) or waves
    )
    trunk_features(encoder, music, "train", clips=2, variants=3, progress=False)
    assert len(drawn) == len(set(drawn)) == 2 * 2 * len(music.classes("train"))


def test_what_features_need_is_said_before_they_are_made(encoder, music, tmp_path, monkeypatch):
    said = forecast(encoder, music, 500, 3, tmp_path / "not" / "yet")
    # 6 classes in each of two splits; 256 + 256 numbers of two bytes a row.
    assert (
        said.startswith("18,000 sounds")
        and "features 0.02 GB on disk" in said
        and not (tmp_path / "not").exists()
    )
    monkeypatch.setattr(paths.shutil, "disk_usage", lambda path: SimpleNamespace(free=10**7))
    with pytest.raises(InputError, match="0.01 GB free, trunk features need 0.02 GB"):
        forecast(encoder, music, 500, 3, tmp_path)


def test_kept_features_are_found_again_and_never_stale(encoder, music, tmp_path, monkeypatch):
    make = {"clips": 2, "variants": 1, "folder": tmp_path, "progress": False}
    first = trunk_features(encoder, music, "validation", **make)
    path = tmp_path / "features-validation.safetensors"
    monkeypatch.setattr(
        encoder.trunks["audio"], "forward", lambda *_: pytest.fail("the trunk ran again")
    )
    assert equal(first, trunk_features(encoder, music, "validation", **make))
    monkeypatch.undo()
    # Other data, other trunks, a damaged file: made anew.
    more = trunk_features(encoder, music, "validation", **(make | {"clips": 3}))
    assert more.audio[0].shape[0] == 3 and more.key != first.key
    torch.manual_seed(1)
    other = trunk_features(MiniBind().eval(), music, "validation", **make)
    assert other.key.split("-")[0] != first.key.split("-")[0] and not equal(first, other)
    path.write_bytes(path.read_bytes()[:1_000])
    assert equal(first, trunk_features(encoder, music, "validation", **make))


def test_kept_features_know_their_sounds_by_content(encoder, tmp_path):
    """Two folders of recordings with the same names and sizes."""
    found = []
    for pitch in (220, 330):
        for name in ("flute", "drum"):
            (tmp_path / str(pitch) / name).mkdir(parents=True)
            wave = np.sin(2 * np.pi * pitch / 16_000 * np.arange(16_000)).astype(np.float32)
            soundfile.write(tmp_path / str(pitch) / name / "0.wav", wave, 16_000)
        music = FolderMusic(tmp_path / str(pitch), 8_191)
        with pytest.warns(UserWarning):
            found.append(
                trunk_features(
                    encoder,
                    music,
                    "train",
                    clips=1,
                    variants=1,
                    folder=tmp_path / "kept",
                    progress=False,
                )
            )
    assert found[0].key != found[1].key and not torch.equal(found[0].audio[0], found[1].audio[0])


def test_report_and_table(encoder, music, tmp_path):
    path = tmp_path / "stage1.safetensors"
    save_heads(encoder, path, stage="stage1")
    features = {"test": trunk_features(encoder, music, "test", clips=2, progress=False)}
    found = report(encoder, {"stage1": path}, features, limit=3, progress=False)
    assert found["before"] == found["stage1"]  # the same heads
    assert set(found["before"]["test"]) == {"probe", "recall", "stage1"}
    low, high = found["before"]["test"]["probe"]["ci95"]
    assert -2 <= low <= found["before"]["test"]["probe"]["mean"] <= high <= 2
    assert len(table(found).splitlines()) == 4
