import pytest
import torch

from mars_lib.check import InputError
from mars_lib.inference import pretrained
from mars_lib.io import checkpoint
from mars_lib.reward import MLBP
from mars_lib.training import mlbp
from mars_lib.training.mlbp import SUBSETS
from mars_lib.training.query_bank import QueryBank
from tests.data.few import few


@pytest.fixture(scope="module")
def music():
    return few()


@pytest.fixture(scope="module")
def held_out(music, minibind):
    """Embeddings of clips, drawings and prompts of the validation split, four a class."""
    classes = music.classes("validation")
    bank = QueryBank.embed(minibind, music, classes, "validation", 4, progress=False)
    return {name: torch.stack([pool[:4] for pool in pools]) for name, pools in bank.pools.items()}


@pytest.fixture(scope="module")
def train(music, minibind):
    """`train_mlbp` on fewer examples a class than the recipe takes."""

    def run(steps=300, batch_size=6, seed=0):
        return mlbp.train_mlbp(
            minibind,
            music,
            examples=8,
            steps=steps,
            batch_size=batch_size,
            seed=seed,
            progress=False,
        )

    return run


@pytest.fixture(scope="module")
def trained(train):
    return train()


def accuracy(pooling, subset, held_out):
    """How often z* of a class's first clip lies nearest to that class's other clips, on average
    over them.
    """
    anchors = pooling({name: held_out[name][:, 0] for name in subset})
    clips = held_out["audio"][:, 1:]
    likeness = torch.einsum("cd,knd->ckn", anchors, clips).mean(dim=-1)
    return (likeness.argmax(dim=-1) == torch.arange(len(anchors))).float().mean().item()


def test_there_are_seven_subsets():
    assert len({frozenset(s) for s in SUBSETS}) == len(SUBSETS) == 7 and all(SUBSETS)


def test_the_anchor_finds_another_clip_of_its_class(trained, held_out):
    # An untrained MLBP points anywhere: one class in six by chance.
    untrained = [MLBP(256) for seed in range(5) if torch.manual_seed(seed)]
    chance = sum(accuracy(p, SUBSETS[-1], held_out) for p in untrained) / len(untrained)
    assert accuracy(trained, SUBSETS[-1], held_out) >= 0.8 > 0.4 > chance


@pytest.mark.parametrize("subset", SUBSETS, ids="+".join)
def test_every_subset_of_modalities_is_an_anchor(trained, held_out, subset):
    assert accuracy(trained, subset, held_out) >= 0.5
    z = trained({name: held_out[name][:, 0] for name in subset})
    assert torch.allclose(z.norm(dim=-1), torch.ones(len(z)), atol=1e-5)


def test_the_encoder_is_left_as_it_was(train, minibind):
    before = {k: v.clone() for k, v in minibind.state_dict().items()}
    train(steps=2)
    after = minibind.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_the_seed_decides(train):
    first, again, other = (train(steps=2, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert not torch.equal(first["out.weight"], other["out.weight"])


@pytest.mark.parametrize(
    ("options", "says"),
    [({"steps": 0}, "steps: are 0"), ({"batch_size": 1}, "is 1"), ({"batch_size": 7}, "2 to 6")],
)
def test_what_cannot_be_trained_is_refused(train, options, says):
    with pytest.raises(InputError, match=says):
        train(**options)


def test_fewer_classes_than_a_batch_has_by_default_are_all_taken(music, minibind, train):
    found = mlbp.train_mlbp(minibind, music, examples=8, steps=3, progress=False)
    assert torch.equal(found.out.weight, train(steps=3).out.weight)


def test_what_ships_names_the_classes(minibind, held_out):
    pooling = pretrained.load_mlbp()
    assert not pooling.training and not any(p.requires_grad for p in pooling.parameters())
    assert accuracy(pooling, SUBSETS[-1], held_out) >= 0.8


def test_a_foreign_or_ill_fitting_checkpoint_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not there"):
        pretrained.load_mlbp(tmp_path / "none.safetensors")
    path = tmp_path / "other.safetensors"
    meta = {"kind": "mlbp", "embedding_size": 8, "rank": 4}
    checkpoint.save(path, MLBP(8, 5).state_dict(), meta)
    with pytest.raises(InputError, match="does not fit"):
        pretrained.load_mlbp(path)
    checkpoint.save(path, {}, {"kind": "minibind"})
    with pytest.raises(InputError, match="holds minibind, not a mlbp"):
        pretrained.load_mlbp(path)
