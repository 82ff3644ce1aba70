"""What each stage trains, what it leaves alone, and which state it keeps."""

import copy
from dataclasses import replace

import pytest
import torch

from mars_lib.alignment import stages
from mars_lib.alignment.measures import discrimination, retrieval
from mars_lib.alignment.pairs import PairSampler
from mars_lib.alignment.run import align, heads, load_heads, query_bank, with_trainable_heads
from mars_lib.alignment.stages import HIGHEST, LOWEST, AlignmentConfig, train_stage
from mars_lib.check import InputError
from tests.alignment.conftest import Toy, features_of

QUICK = AlignmentConfig(steps=60, batch_size=6, learning_rate=1e-2, validate_every=10, patience=99)


def changed(before, after):
    """Names of the parameters that differ."""
    return {
        n
        for n, p in after.named_parameters()
        if not torch.equal(p, dict(before.named_parameters())[n])
    }


@pytest.mark.parametrize(
    "stage, heads_trained",
    [
        ("stage1", {"audio", "text"}),
        ("stage2", {"audio"}),
        ("stage3", {"audio", "image"}),
        ("one-stage", {"audio", "text", "image"}),
    ],
)
def test_a_stage_trains_its_heads_and_the_temperature_and_nothing_else(
    toy, train, validation, stage, heads_trained
):
    before = copy.deepcopy(toy)
    train_stage(toy, stage, train, validation, QUICK, progress=False)
    expected = {f"heads.{name}.weight" for name in heads_trained} | {"log_temperature"}
    assert changed(before, toy) == expected
    assert not any(p.requires_grad for p in toy.parameters())  # as it was


def test_a_copy_shares_the_trunks_and_has_heads_of_its_own(toy, train, validation):
    before, twin = copy.deepcopy(toy), with_trainable_heads(toy)
    assert twin.trunks is toy.trunks and not changed(toy, twin)
    train_stage(twin, "one-stage", train, validation, QUICK, progress=False)
    trained = {f"heads.{name}.weight" for name in ("audio", "text", "image")} | {"log_temperature"}
    assert changed(toy, twin) == trained and not changed(before, toy)


def test_stages_bring_their_modalities_together(toy, train, validation):
    before = retrieval(toy, validation)
    for stage, direction in (
        ("stage1", "audio-text"),
        ("stage2", "audio-audio"),
        ("stage3", "audio-image"),
    ):
        train_stage(toy, stage, train, validation, QUICK, progress=False)
        assert retrieval(toy, validation)[direction] > max(0.8, before[direction] - 1e-6)
    assert retrieval(toy, validation)["audio-text"] > 0.8  # not forgotten


def test_the_best_state_is_kept(toy, train, validation, monkeypatch):
    losses = iter([0.9, 0.5, 0.1, 0.3, 0.2])
    states = []

    def validate(encoder, *_):
        states.append({k: v.clone() for k, v in heads(encoder).items()})
        return next(losses)

    monkeypatch.setattr(stages, "_validate", validate)
    best = train_stage(toy, "stage1", train, validation, replace(QUICK, steps=40), progress=False)
    assert best == {"step": 20, "loss": 0.1}
    assert all(torch.equal(v, states[2][k]) for k, v in heads(toy).items())


def test_a_stage_that_no_longer_gets_better_ends(toy, train, validation, monkeypatch):
    seen = []
    monkeypatch.setattr(stages, "_validate", lambda *_: seen.append(0) or 0.5)
    train_stage(
        toy, "stage1", train, validation, replace(QUICK, steps=1_000, patience=2), progress=False
    )
    assert len(seen) == 3


def test_an_interrupted_stage_leaves_the_best_state(toy, train, validation, monkeypatch):
    before = {k: v.clone() for k, v in heads(toy).items()}
    real, calls = stages.stage_loss, []

    def stop(*arguments):
        calls.append(0)
        if len(calls) > stages.CHECKS + 5:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(stages, "stage_loss", stop)
    with pytest.raises(KeyboardInterrupt):
        train_stage(toy, "stage2", train, validation, QUICK, progress=False)
    assert all(torch.equal(v, before[k]) for k, v in heads(toy).items())


def test_the_temperature_stays_within_its_bounds(toy, train, validation, monkeypatch):
    losses = iter([1.0, 0.0])
    monkeypatch.setattr(stages, "_validate", lambda *_: next(losses))
    # One step of AdamW at this rate moves the logarithm by 3, out of either bound.
    train_stage(
        toy, "stage1", train, validation, replace(QUICK, steps=1, learning_rate=3.0), progress=False
    )
    temperature = toy.log_temperature.exp().item()
    assert min(abs(temperature - LOWEST), abs(temperature - HIGHEST)) < 1e-6


def test_a_loss_that_is_not_finite_stops_with_its_name(toy, train, validation):
    train.audio[0][:] = float("nan")
    with pytest.raises(FloatingPointError, match="stage1: the loss is nan at step 0"):
        train_stage(toy, "stage1", train, validation, QUICK, progress=False)
    with torch.no_grad():
        toy.log_temperature.fill_(-float("inf"))
    with pytest.raises(InputError, match="temperature: is 0"):
        train_stage(toy, "stage1", train, validation, QUICK, progress=False)


def test_all_stages_in_a_row_and_again_from_their_files(toy, train, validation, tmp_path):
    start = copy.deepcopy(toy)
    quick = replace(QUICK, steps=20)
    paths = align(toy, train, validation, tmp_path, quick, progress=False)
    assert set(paths) == {"stage1", "stage2", "stage3", "mlbp"} and all(
        p.is_file() for p in paths.values()
    )
    assert (
        (tmp_path / "stage2" / "metrics.csv")
        .read_text()
        .startswith("step,loss,temperature,validation_loss\n9,")
    )
    again = copy.deepcopy(start)
    other = align(again, train, validation, tmp_path / "twice", quick, progress=False)
    assert all(
        torch.equal(v, heads(toy)[k]) for k, v in heads(again).items()
    )  # the same seed, the same heads
    # One stage missing: the others are read, this one is trained as before.
    (tmp_path / "stage3.safetensors").unlink()
    resumed = copy.deepcopy(start)
    align(resumed, train, validation, tmp_path, quick, resume=True, progress=False)
    assert all(torch.equal(v, heads(toy)[k]) for k, v in heads(resumed).items())
    load_heads(start, other["stage1"])
    assert changed(toy, start)


def test_stages_are_not_overwritten_and_resume_refuses_another_run(
    toy, train, validation, tmp_path
):
    start, quick = copy.deepcopy(toy), replace(QUICK, steps=2)
    two = {"stages": ("stage1", "stage2"), "progress": False}
    paths = align(toy, train, validation, tmp_path, quick, **two)
    kept = paths["stage1"].read_bytes()
    with pytest.raises(InputError, match="is there already .* --resume"):
        align(copy.deepcopy(start), train, validation, tmp_path, quick, **two)
    others = {
        "options.margin": (start, train, replace(quick, margin=0.5)),
        "start": (toy, train, quick),
        "train": (start, replace(train, key=f"{train.key}-other"), quick),
    }
    for what, (encoder, features, config) in others.items():
        with pytest.raises(InputError, match=f"is of another run: it differs in {what}"):
            align(
                copy.deepcopy(encoder), features, validation, tmp_path, config, resume=True, **two
            )
    assert paths["stage1"].read_bytes() == kept
    align(start, train, validation, tmp_path, quick, overwrite=True, **two)


def test_heads_and_features_of_another_trunk(toy, train, validation, tmp_path):
    stranger = Toy(seed=1)
    with pytest.raises(InputError, match="are of another trunk"):
        align(stranger, train, validation, tmp_path, QUICK, progress=False)
    paths = align(
        toy,
        train,
        validation,
        tmp_path,
        replace(QUICK, steps=2),
        stages=("stage1",),
        progress=False,
    )
    with pytest.raises(InputError, match="belongs to another trunk"):
        load_heads(stranger, paths["stage1"])
    with pytest.raises(InputError, match="'stage9'"):
        align(toy, train, validation, tmp_path, QUICK, stages=("stage9",))


def test_a_batch_holds_a_class_once_and_no_false_negative(toy, train):
    sampler = PairSampler(train, 6)
    for step in range(20):
        pairs = sampler.draw(step, with_image=True)
        assert sorted(pairs.labels.tolist()) == list(range(6))
        for row, label in enumerate(pairs.labels.tolist()):
            own = train.audio[label].flatten(0, 1)
            assert (own == pairs.audio[row]).all(-1).any() and (own == pairs.other[row]).all(
                -1
            ).any()
            assert not (own == pairs.wrong_audio[row]).all(-1).any()
            assert not (train.image[label] == pairs.wrong_image[row]).all(-1).any()
            clip = [
                (train.audio[label] == x).all(-1).nonzero()[0, 0]
                for x in (pairs.audio[row], pairs.other[row])
            ]
            assert clip[0] != clip[1]
    again = PairSampler(train, 6).draw(19, with_image=True)
    assert torch.equal(again.audio, pairs.audio) and torch.equal(again.labels, pairs.labels)


def test_hard_negatives_are_cleaner_and_more_contaminated_versions_of_one_clip(toy, train):
    with pytest.raises(InputError, match="hard negatives: need contaminated clips"):
        PairSampler(train, 6, hard=0.5)
    mixed = [torch.stack([rows[:, 0] + 10, rows[:, 0] + 20], dim=1) for rows in train.audio]
    known = replace(train, contaminated=mixed)
    pairs = PairSampler(known, 6, hard=1.0).draw(0)
    assert torch.allclose(pairs.wrong_audio - pairs.other, torch.full_like(pairs.other, 10.0))
    for label, anchor, other in zip(pairs.labels.tolist(), pairs.audio, pairs.other):
        clip = [torch.allclose(row[0] + 10, other) for row in train.audio[label]].index(True)
        assert not any(torch.equal(anchor, each) for each in train.audio[label][clip])
    drawn = [PairSampler(known, 6, hard=0.4).draw(step) for step in range(100)]
    share = torch.stack([pairs.other.mean(dim=1) > 5 for pairs in drawn]).float().mean()
    assert 0.3 < share < 0.5
    # Without them draws are what they were.
    assert torch.equal(PairSampler(known, 6).draw(3).text, PairSampler(train, 6).draw(3).text)


def test_one_clip_a_class_uses_its_variants(toy):
    single = features_of(toy, clips=1, variants=2)
    pairs = PairSampler(single, 6).draw(0)
    assert not torch.equal(pairs.audio, pairs.other)
    with pytest.raises(InputError, match="one clip in one variant"):
        PairSampler(features_of(toy, clips=1, variants=1), 6)


def test_classes_without_pictures_take_part_in_the_first_stages_only(toy, train, validation):
    train.image[2] = train.image[2][:0]
    sampler = PairSampler(train, 6)
    assert 2 in sampler.draw(0).labels and len(sampler.draw(0, with_image=True).labels) == 5
    assert 2 not in sampler.draw(0, with_image=True).labels
    train_stage(toy, "stage3", train, validation, replace(QUICK, steps=5), progress=False)
    # Words stand in for pictures where there are none.
    bank = query_bank(toy, train)
    assert torch.equal(bank.pools["image"][2], bank.pools["text"][2])
    for i in range(5):
        train.image[i] = train.image[i][:0]
    with pytest.raises(InputError, match="pictures of fewer than two classes"):
        sampler.__class__(train, 6).draw(0, with_image=True)


@pytest.mark.parametrize("batch_size", [0, 1, 7])
def test_a_batch_larger_than_the_number_of_classes(toy, train, batch_size):
    with pytest.raises(InputError, match="give 2 to 6"):
        PairSampler(train, batch_size)


def test_retrieval_by_hand(toy):
    """Audio items sit on their class's axis, text on the next class's: never right from text,
    always within audio.
    """
    with torch.no_grad():
        for head in toy.heads.values():
            head.weight.zero_()
            head.weight[:8, :8] = torch.eye(8)
    features = features_of(toy, classes=3)
    eye = torch.eye(12)
    for i in range(3):
        features.audio[i][:] = eye[i]
        features.text[i][:] = eye[(i + 1) % 3]
        features.image[i] = features.image[i][:0]
    found = retrieval(toy, features)
    assert found == {"audio-audio": 1.0, "audio-text": 0.0, "text-audio": 0.0}


def test_discrimination_by_hand(toy):
    with torch.no_grad():
        toy.heads["audio"].weight.zero_()
        toy.heads["audio"].weight[:2, :2] = torch.eye(2)
        toy.trunks["text"] = torch.nn.Identity()
    text = torch.zeros(1, 12)
    text[0, 0] = 1
    toy.trunks["text"].forward = lambda names: text.expand(len(names), -1)
    toy.heads["text"].weight.copy_(toy.heads["audio"].weight)
    target, mixture = torch.zeros(1, 12), torch.zeros(1, 12)
    target[0, 0], mixture[0, 0], mixture[0, 1] = 3.0, 1.0, 1.0
    assert discrimination(toy, target, mixture, ["any"]).item() == pytest.approx(1 - 0.5**0.5)


def test_dropout_hides_a_share_of_the_features_and_keeps_their_mean(toy, train):
    plain = [PairSampler(train, 6).draw(step, True) for step in range(50)]
    dropped = [PairSampler(train, 6, dropout=0.25).draw(step, True) for step in range(50)]
    for name in ("audio", "other", "wrong_audio", "text", "image", "wrong_image"):
        whole, rest = (
            torch.cat([getattr(pairs, name) for pairs in drawn]) for drawn in (plain, dropped)
        )
        hidden = rest == 0
        assert 0.2 < hidden.float().mean() < 0.3
        assert torch.allclose(rest[~hidden], whole[~hidden] / 0.75)
    with pytest.raises(InputError, match="dropout: is 1"):
        AlignmentConfig(dropout=1)
