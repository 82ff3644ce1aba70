"""The text trunk of MiniBind2: a static table of word pieces, and letters for what it lacks.

The table is distilled from a sentence encoder (`mars_lib.experiments.distilled_words`), the idea of
Model2Vec (Tulkens and van Dongen, 2024): one vector a piece, averaged. It needs no transformer.
"""

import unicodedata
import zlib
from collections.abc import Sequence
from functools import cache

import torch
from torch import nn
from torch.nn import functional

from mars_lib.check import fail
from mars_lib.io import assets, checkpoint

FEATURES = 256
PIECE, LETTERS = 128, 96  # numbers of a piece's vector, and of a gram's
BUCKETS = 4096  # of hashed grams
LONGEST_WORD = 100  # letters; a longer one is unknown, as in BERT's tokenizer


class WordTrunk(nn.Module):
    """Strings -> (B, 256): pieces by the frozen table, and character 3- and 4-grams of all words.

    A text whose pieces say nothing is embedded by its letters alone, near what is spelled alike.
    """

    def __init__(self) -> None:
        super().__init__()
        self.letters = nn.EmbeddingBag(BUCKETS, LETTERS, mode="mean")
        self.out = nn.Sequential(
            nn.Linear(PIECE + LETTERS, 2 * FEATURES), nn.GELU(), nn.Linear(2 * FEATURES, FEATURES)
        )

    def forward(self, texts: Sequence[str]) -> torch.Tensor:
        device = self.letters.weight.device
        bags = [grams(text) for text in texts]
        offsets = torch.tensor([0, *(len(bag) for bag in bags[:-1])]).cumsum(0)
        flat = torch.tensor([bucket for bag in bags for bucket in bag])
        letters = self.letters(flat.to(device), offsets.to(device))
        meanings = torch.stack([meaning(text) for text in texts]).to(device)
        return self.out(torch.cat(self.branches(meanings, letters), dim=-1))

    def branches(
        self, meanings: torch.Tensor, letters: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What the two say, (B, 128) and (B, 96); in training now one and now the other is silent,
        so that each learns to do without the other.
        """
        if not self.training:
            return meanings, letters
        chance = torch.rand(len(meanings), 1, device=meanings.device)
        return meanings * (chance > 0.15), letters * (chance < 0.6)


def meaning(text: str) -> torch.Tensor:
    """The mean vector of a text's pieces, of unit norm: (128,); zeros without a known piece."""
    rows = [row for word in words(text) for row in pieces(word)]
    if not rows:
        return torch.zeros(PIECE)
    return functional.normalize(_table()[rows].mean(dim=0), dim=0)


def grams(text: str) -> list[int]:
    """Buckets of the character 3- and 4-grams of a text's words.

    Raises `InputError` for a text without a letter or digit.
    """
    found = []
    for word in (f"<{word}>" for word in words(text) if word.isalnum()):
        found += [word[i : i + n] for n in (3, 4) for i in range(max(1, len(word) - n + 1))]
    if not found:
        fail("text query", f"{text!r} holds no word", "name a sound, as in 'violin'")
    return [zlib.crc32(gram.encode()) % BUCKETS for gram in found]


def words(text: str) -> list[str]:
    """A text in lower case, without accents, cut at blanks and around punctuation.

    >>> words("A Violín, please!")
    ['a', 'violin', ',', 'please', '!']
    """
    plain = unicodedata.normalize("NFD", text.lower())
    spaced = []
    for letter in plain:
        kind = unicodedata.category(letter)
        if kind == "Mn":
            continue
        marks = kind.startswith("P") or (letter.isascii() and kind.startswith("S"))
        spaced.append(f" {letter} " if marks else " " if kind in ("Cc", "Cf") else letter)
    return "".join(spaced).split()


def pieces(word: str) -> list[int]:
    """Rows of the table of a word's pieces, the longest first; none for a word it cannot spell.

    Reference: WordPiece, Schuster and Nakajima (2012), as BERT has it.
    """
    rows, vocabulary = [], _vocabulary()
    start = 0
    while start < len(word) <= LONGEST_WORD:
        for end in range(len(word), start, -1):
            piece = word[start:end] if start == 0 else f"##{word[start:end]}"
            if piece in vocabulary:
                rows.append(vocabulary[piece])
                break
        else:
            return []
        start = end
    return rows


@cache
def _words() -> checkpoint.Checkpoint:
    return checkpoint.load(assets.checkpoint("words"), "words")


@cache
def _vocabulary() -> dict[str, int]:
    """Piece -> row."""
    names = bytes(_words().tensors["vocabulary"].tolist()).decode()
    return {name: row for row, name in enumerate(names.split("\n"))}


@cache
def _table() -> torch.Tensor:
    """(pieces, 128): the shorter, the more common a piece."""
    tensors = _words().tensors
    return tensors["table"].float() * tensors["scale"].float()[:, None]
