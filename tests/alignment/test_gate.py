import pytest
import torch

from mars_lib import config
from mars_lib.alignment import adapt_gate
from mars_lib.check import InputError
from mars_lib.separator import Separator
from mars_lib.training.query_bank import MODALITIES, QueryBank

SIZE = config.smoke().separator.embedding_size


def bank(seed=0, count=120, turn=None):
    generator = torch.Generator().manual_seed(seed)
    pools = {}
    for modality in MODALITIES:
        z = torch.nn.functional.normalize(torch.randn(3, count, SIZE, generator=generator), dim=-1)
        pools[modality] = list(z if turn is None else z @ turn)
    return QueryBank(pools)


def test_a_turned_language_is_understood_as_before():
    """Whatever rotation the heads made, the adapted gate gives the old proposals for the new
    embeddings.
    """
    torch.manual_seed(0)
    separator = Separator(config.smoke()).eval()
    turn = torch.linalg.qr(torch.randn(SIZE, SIZE))[0]
    before, after = bank(), bank(turn=turn)
    adapted = adapt_gate(separator, before, after, ridge=1e-6)
    magnitude = torch.rand(2, 128, 128)
    query = bank(seed=1).pools["text"][0][:4].reshape(2, 2, SIZE)
    with torch.no_grad():
        old, swapped = separator(magnitude, query), separator(magnitude, query @ turn)
        new = adapted(magnitude, query @ turn)
    assert torch.allclose(new, old, atol=1e-3)
    assert (swapped - old).abs().max() > 10 * (new - old).abs().max()
    moved = [
        k for k, v in separator.state_dict().items() if not torch.equal(v, adapted.state_dict()[k])
    ]
    assert moved == ["gate.channels.weight", "gate.channels.bias"]


def test_nothing_changes_where_nothing_changed():
    torch.manual_seed(0)
    separator = Separator(config.smoke()).eval()
    adapted = adapt_gate(separator, bank(), bank(), ridge=1e-6)
    assert torch.allclose(adapted.gate.channels.weight, separator.gate.channels.weight, atol=1e-3)


@pytest.mark.parametrize(
    "other, ridge, named",
    [
        (bank(count=7), 0.1, "query banks"),
        (bank(), 0.0, "ridge"),
        (bank(), float("nan"), "ridge"),
    ],
)
def test_what_does_not_fit_is_named(other, ridge, named):
    with pytest.raises(InputError, match=named):
        adapt_gate(Separator(config.smoke()), bank(), other, ridge)
