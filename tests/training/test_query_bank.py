"""Queries for training: what a bank holds, and that several encoders are asked of the same examples."""

import torch

from mars_lib import system
from mars_lib.training.query_bank import MODALITIES, QueryBank
from tests.data.few import few


def test_several_encoders_embed_the_same_examples(shipped):
    music = few()
    encoders = [shipped.encoder, system.load_minibind(heads="stage3")]
    make = {"classes": music.classes("train"), "split": "train", "count": 2, "seed": 3, "progress": False}
    together = QueryBank.embed_by(encoders, music, **make)
    for bank, encoder in zip(together, encoders, strict=True):
        alone = QueryBank.embed(encoder, music, **make)
        for name in MODALITIES:
            assert all(torch.equal(a, b) for a, b in zip(bank.pools[name], alone.pools[name], strict=True))
    assert not torch.equal(together[0].pools["audio"][0], together[1].pools["audio"][0])
