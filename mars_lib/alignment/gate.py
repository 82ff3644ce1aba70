"""The cure of "alignment only": a separator's query gate, fitted to the aligned embedding space."""

import copy

import torch

from mars_lib.check import fail
from mars_lib.separator import Separator
from mars_lib.training.query_bank import QueryBank


@torch.no_grad()
def adapt_gate(
    separator: Separator, before: QueryBank, after: QueryBank, ridge: float = 0.1
) -> Separator:
    """Copy a separator, and fit its query gate to embeddings of `after` in place of `before`.

    Both banks hold the same examples, as the encoder embeds them before and after its heads were
    aligned. The gate is linear in the query up to its sigmoid (Section 3.1.2), so what it must
    become is a least-squares problem: new weights times new embeddings = old weights times old
    embeddings, over all examples of all modalities, with a small `ridge`. The U-Net does not
    change. The paper does not say how its separator follows the changed encoder; its Table 4 shows
    what happens when it does not.

    Args:
        separator: reads embeddings as those of `before`; it is not changed.
        before: embeddings of examples before alignment.
        after: embeddings of the same examples after it.
        ridge: weight of the squares of the new weights, above 0.

    Returns:
        A separator that answers embeddings of `after` as `separator` does those of `before`.

    Raises:
        InputError: for banks of other examples, for other embedding sizes, and for a ridge that is
            not above 0.
    """
    if not ridge > 0:
        fail("ridge", f"is {ridge}", "give a number above 0")
    old, new = (_examples(bank) for bank in (before, after))
    layer = separator.gate.channels
    if old.shape != new.shape or old.shape[1] != layer.in_features:
        fail(
            "query banks",
            f"are of shapes {tuple(old.shape)} and {tuple(new.shape)}, "
            f"the gate reads {layer.in_features}",
            "embed the same examples with the encoder before and after alignment",
        )
    wanted = layer(old.to(layer.weight)).cpu().double()
    inputs = torch.cat([new, torch.ones(len(new), 1)], dim=1).double()
    gram = inputs.T @ inputs + ridge * torch.eye(inputs.shape[1], dtype=torch.float64)
    solution = torch.linalg.solve(gram, inputs.T @ wanted)
    adapted = copy.deepcopy(separator)
    adapted.gate.channels.weight.copy_(solution[:-1].T)
    adapted.gate.channels.bias.copy_(solution[-1])
    return adapted


def _examples(bank: QueryBank) -> torch.Tensor:
    """All embeddings of a bank, in a fixed order: (examples, D)."""
    return torch.cat([torch.cat(bank.pools[modality]) for modality in sorted(bank.pools)])
