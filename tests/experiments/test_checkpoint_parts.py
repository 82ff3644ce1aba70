"""`mars checkpoints`: all parts in their order, each alone from what is there, none made twice."""

import shutil
from dataclasses import replace
from functools import partial

import pytest

from mars_lib import config
from mars_lib.alignment import run
from mars_lib.check import InputError
from mars_lib.data.synthesis import soundfonts
from mars_lib.experiments import (
    aligned_heads,
    checkpoints,
    comparison,
    exported_separators,
    minibind2_checkpoint,
    small_separator,
)
from mars_lib.experiments.checkpoints import PARTS, make_checkpoints
from mars_lib.inference import system
from mars_lib.io import assets, checkpoint
from mars_lib.training import judge_training, naming, reinforce, supervised
from tests.cli.test_cli import mars
from tests.data.few import Few
from tests.training.quick import QUICK

SIGNAL = replace(config.smoke().signal, length=8_191)
TRAINING = replace(
    config.smoke().training,
    steps=3,
    batch_size=2,
    validate_every=1,
    validation_mixtures=2,
    queries_per_class=1,
    augment=0.0,
)
TINY = replace(config.smoke(), signal=SIGNAL, training=TRAINING)
# Their making needs a sentence encoder, which is not installed for tests.
WORDS = checkpoint.load(assets.checkpoint("words"), "words")


def tiny(patch):
    """Every training a few steps long, of six classes of the fonts that the course installs."""
    patch.setattr(checkpoints, "MiniMusic", Few)
    patch.setattr(checkpoints, "recipe_fonts", soundfonts.listed)
    patch.setattr(checkpoints, "TRUNK_STEPS", dict.fromkeys(checkpoints.TRUNK_STEPS, 2))
    patch.setattr(checkpoints, "BATCH", dict.fromkeys(checkpoints.BATCH, 2))
    patch.setattr(checkpoints, "distilled_words", lambda: (WORDS.tensors, WORDS.meta))
    patch.setattr(checkpoints, "further_fonts", list)
    patch.setattr(checkpoints, "further_pictures", lambda folder: {})
    for name in ("STEPS", "BATCH"):
        known = getattr(minibind2_checkpoint, name)
        patch.setattr(minibind2_checkpoint, name, dict.fromkeys(known, 2))
    patch.setattr(checkpoints, "ALIGNMENT", replace(checkpoints.ALIGNMENT, steps=2))
    patch.setattr(naming, "CLIPS_PER_CLASS", 2)
    patch.setattr(checkpoints, "SEEDS", 1)
    patch.setattr(small_separator, "FIRST", TRAINING)
    patch.setattr(exported_separators, "CLIPS", 2)
    patch.setattr(config, "comparison", lambda: TINY)
    patch.setattr(comparison, "REWARD_HEADS", {"pathwise": "stage3", "pathwise-not-aligned": None})
    rl = replace(QUICK, estimator="pathwise", anchor=0.3, signal_weight=0.03, steps=2, batch_size=2)
    patch.setattr(small_separator, "REWARDS", replace(rl, validate_every=2))
    patch.setattr(comparison, "recipe", lambda: replace(rl, validate_every=2))
    for module, name, more in (
        (checkpoints.minibind_trunks, "train_heads", {"steps": 2}),
        (checkpoints, "train_mlbp", {"steps": 2, "batch_size": 2, "examples": 2}),
        (checkpoints, "train_judge", {"steps": 2, "batch_size": 6, "progress": False}),
        (aligned_heads.alignment, "trunk_features", {"clips": 2, "variants": 1}),
        (run, "fit_mlbp", {"steps": 2}),
        (aligned_heads, "AlignmentConfig", {"steps": 2, "batch_size": 2}),
    ):
        patch.setattr(module, name, partial(getattr(module, name), **more))
    patch.setattr(judge_training, "PER_CLASS", 2)


def package(folder):
    """A package's data without what the parts write."""
    folder.mkdir()
    for path in assets.folder().iterdir():
        if path.name not in ("checkpoints", "logs"):
            (folder / path.name).symlink_to(path)
    return folder


def make(work, *only):
    make_checkpoints(work, replace(TINY, encoder=config.small().encoder), "cpu", only)


def shipped(folder):
    """What a package's checkpoints hold, by name."""
    return {path.stem: path.read_bytes() for path in sorted(folder.rglob("*.safetensors"))}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A package with all parts, and the folder that they were made in."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        data = package(folder / "data")
        patch.setattr(assets, "folder", lambda: data)
        tiny(patch)
        make(folder / "work")
    return folder


@pytest.fixture
def copy(made, tmp_path, monkeypatch):
    """A package and a work folder of one's own: (checkpoints, work)."""
    data = package(tmp_path / "data")
    shutil.copytree(made / "data" / "checkpoints", data / "checkpoints")
    shutil.copytree(made / "work", tmp_path / "work")
    monkeypatch.setattr(assets, "folder", lambda: data)
    tiny(monkeypatch)
    return data / "checkpoints", tmp_path / "work"


def no_training(patch):
    """Whatever trains a network fails."""
    for module, name in (
        *((checkpoints.minibind_trunks, name) for name in ("train_trunk", "train_heads")),
        *((checkpoints, name) for name in ("train_mlbp", "train_judge")),
        *((run, name) for name in ("train_stage", "fit_mlbp")),
        *((supervised, "_train"), (reinforce, "_train")),
    ):
        patch.setattr(module, name, lambda *_, **__: pytest.fail("it is there already"))


def test_all_parts_are_made_and_none_twice(made, copy, monkeypatch, capsys):
    folder, work = copy
    before = shipped(folder)
    systems = {f"{name}-0" for name in (*comparison.SYSTEMS, *comparison.REWARD_HEADS)}
    assert {*PARTS} - {"systems"} | systems < {*before}
    no_training(monkeypatch)
    make(work)
    said = [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert [line for line in said if line in PARTS] == [*PARTS]
    assert "out of date now" not in said
    assert shipped(folder) == before
    assert system.load("pathwise-small", "cpu").separator is not None


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_made_alone_and_is_the_same(copy, part, capsys):
    """From the package's other parts, with nothing of an earlier run."""
    folder, work = copy
    before = shipped(folder)
    shutil.rmtree(work)
    for path in [folder / f"{part}.safetensors", *(folder / part).glob("*")]:
        path.unlink(missing_ok=True)
    assert shipped(folder) != before
    make(work, part)
    after = shipped(folder)
    assert [name for name in before if after.get(name) != before[name]] == []
    assert {path.name for path in work.iterdir()} <= {
        *(f"{name}-trunk.safetensors" for name in ("audio", "image", "text")),
        *(f"minibind2-{name}.safetensors" for name in minibind2_checkpoint.PARTS),
        *(f"{part}.safetensors", part, "separator", "pathwise"),
    }


def test_parts_that_follow_are_named_when_one_changes(copy, monkeypatch, capsys):
    _, work = copy
    make(work, "judge", "minibind")
    said = capsys.readouterr().out
    assert said.index("minibind: ") < said.index("judge: ") and "out of date" not in said
    monkeypatch.setattr(checkpoints, "TRUNK_STEPS", dict.fromkeys(checkpoints.TRUNK_STEPS, 1))
    with pytest.raises(InputError, match="is of another run: it differs in steps"):
        make(work, "minibind")
    shutil.rmtree(work)
    make(work, "minibind", "aligned")
    said = capsys.readouterr().out.splitlines()[-1]
    assert (
        said == "out of date now, to be made again: separator-small, mlbp, pathwise-small, systems"
    )
    shutil.rmtree(work)
    monkeypatch.setattr(checkpoints, "ALIGNMENT", replace(checkpoints.ALIGNMENT, seed=1))
    make(work, "aligned2")
    said = capsys.readouterr().out.splitlines()[-1]
    assert said == "out of date now, to be made again: separator-small, pathwise-small"


@pytest.mark.parametrize(
    ("gone", "only", "first"),
    [
        ("minibind", "mlbp", "minibind"),
        ("separator-small", "pathwise-small", "separator-small"),
        ("aligned", "systems", "aligned"),
        ("judge", "systems,pathwise-small", "judge"),
    ],
)
def test_a_part_without_its_input_says_which_comes_first(copy, tmp_path, gone, only, first):
    folder, _ = copy
    (folder / f"{gone}.safetensors").unlink()
    status, out, err = mars("checkpoints", "--only", only, "--work", tmp_path / "new")
    assert status == 1 and out == "" and err.count("\n") == 1
    assert f"needs {gone}, which is not there; run `mars checkpoints --only {first}` first" in err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("only", ["moon", "judge,moon", "judge,", ""])
def test_an_unknown_part_is_told_the_known_ones(tmp_path, only):
    status, _, err = mars("checkpoints", "--only", only, "--work", tmp_path / "new")
    assert status == 1 and err.startswith("error: part: is '")
    assert f"give one of {', '.join(PARTS)}" in err and not (tmp_path / "new").exists()


def test_what_a_part_needs_stands_before_it():
    names = [*PARTS]
    for name, part in PARTS.items():
        assert all(names.index(other) < names.index(name) for other in part.needs)
