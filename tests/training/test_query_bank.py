"""Queries for training: what a bank holds, and that several encoders are asked of the same
examples.
"""

import torch
from torch.nn import functional

from mars_lib import config
from mars_lib.data.mixtures import MixtureBatch
from mars_lib.data.random_streams import Stream
from mars_lib.inference import pretrained
from mars_lib.separator import Separator
from mars_lib.training import mlbp
from mars_lib.training.query_bank import MODALITIES, QueryBank
from mars_lib.training.targets import RewardEncoder
from mars_lib.training.validation import HeldOut, Validation
from tests.data.few import few


def test_several_encoders_embed_the_same_examples(minibind):
    music = few()
    encoders = [minibind, pretrained.load_minibind(heads="stage3")]
    make = {
        "classes": music.classes("train"),
        "split": "train",
        "count": 2,
        "seed": 3,
        "progress": False,
    }
    together = QueryBank.embed_by(encoders, music, **make)
    for bank, encoder in zip(together, encoders, strict=True):
        alone = QueryBank.embed(encoder, music, **make)
        for name in MODALITIES:
            assert all(
                torch.equal(a, b) for a, b in zip(bank.pools[name], alone.pools[name], strict=True)
            )
    assert not torch.equal(together[0].pools["audio"][0], together[1].pools["audio"][0])


def test_purposes_have_other_clips_and_seeds_augment_them_in_other_ways(minibind):
    music = few()
    make = {"classes": music.classes("train")[:1], "split": "train", "count": 2, "progress": False}
    banks = [
        QueryBank.embed(minibind, music, seed=seed, stream=Stream(purpose), augment=augment, **make)
        for seed, purpose, augment in (
            (0, "query clips", 0.0),
            (1, "query clips", 0.0),
            (0, "fusion clips", 0.0),
            (0, "query clips", 1.0),
            (1, "query clips", 1.0),
        )
    ]
    plain, same, other, one, two = (bank.pools["audio"][0] for bank in banks)
    assert torch.equal(plain, same) and not torch.equal(plain, other)
    assert not torch.equal(plain, one) and not torch.equal(one, two)
    assert banks[0].recordings == [["0", "1"]] and banks[0].names == (make["classes"][0].name,)


def test_a_positive_of_the_fusion_is_of_another_recording(generator):
    rows = torch.eye(6)
    bank = QueryBank({name: [rows, rows[:2]] for name in MODALITIES}, [list("aabbcc"), list("aa")])
    for _ in range(40):
        chosen, positive = mlbp._draw(bank, torch.tensor([0, 1]), generator, "cpu")
        pairs = list(zip(chosen["audio"].argmax(dim=1).tolist(), positive.argmax(dim=1).tolist()))
        assert "aabbcc"[pairs[0][0]] != "aabbcc"[pairs[0][1]]
        assert set(pairs[1]) == {0, 1}  # one recording: another clip of it


class OneHot:
    """Words are places in a list of names; sounds are nothing."""

    names = ("accordion", "bell", "cello")

    def embed_text(self, names):
        return torch.eye(8)[[self.names.index(name) for name in names]]

    def embed_audio(self, waveform):
        return functional.one_hot(torch.zeros(len(waveform), dtype=torch.long), 8).float()


def test_validation_finds_pictures_by_name_where_its_classes_are_others():
    """Two classes to train on, three to validate on: a place in one list is another class in the
    other one.
    """
    smoke, encoder = config.smoke(), OneHot()
    pools = [torch.full((2, 8), 0.1), torch.full((2, 8), 0.2)]
    bank = QueryBank(dict.fromkeys(MODALITIES, pools), names=("accordion", "cello"))
    waves = torch.randn(2, 2, 4_095, generator=torch.Generator().manual_seed(0))
    batch = MixtureBatch(waves.sum(dim=1), waves, torch.tensor([[0, 1], [2, 0]]))
    names = ["accordion", "bell", "cello", "accordion"]
    validation = Validation(batch, encoder.embed_text(names).reshape(2, 2, 8), names)
    held_out = HeldOut(validation, RewardEncoder(encoder, bank), None, None, Separator(smoke))
    found = held_out.parts[0].embeddings
    assert torch.equal(found["text"], encoder.embed_text(names))
    assert found["image"][:, -1].tolist() == torch.tensor([0.1, 0.0, 0.2, 0.1]).tolist()
    assert torch.equal(found["image"][1], found["text"][1])
