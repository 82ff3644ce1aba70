import json
from pathlib import Path

import pytest
import torch

from mars_lib.check import InputError
from mars_lib.encoders import word_trunk
from mars_lib.encoders.word_trunk import PIECE, WordTrunk, grams, meaning, pieces, words

ROOT = Path(__file__).resolve().parents[2]
TEXTS = (
    "somebody playing the fiddle",
    "Violín, contrabajo y glockenspiel",
    "a B-flat clarinet's low register (chalumeau)",
    "naïve café-concert; 12-string & 5.1",
    "unbelievablywordlikenonsense zzzzqqqx",
    "Donaudampfschifffahrtsgesellschaft",
)


def names(text):
    table = {row: name for name, row in word_trunk._vocabulary().items()}
    return [table[row] for word in words(text) for row in pieces(word)]


def test_pieces_are_those_of_the_sentence_encoders_tokenizer(tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *word_trunk._vocabulary()]
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    theirs = tokenizers.BertWordPieceTokenizer(str(tmp_path / "vocab.txt"), lowercase=True)
    phrases = json.loads((ROOT / "benchmarks/paraphrases.json").read_text(encoding="utf-8"))
    for text in (*TEXTS, *(text for each in phrases["classes"].values() for text in each)):
        expected = theirs.encode(text, add_special_tokens=False).tokens
        assert names(text) == [piece for piece in expected if piece != "[UNK]"], text


def test_pieces_by_hand():
    assert names("Violins!") == ["violins", "!"]
    assert names("glockenspiel") == ["g", "##lock", "##ens", "##pie", "##l"]
    assert names("") == [] and pieces("x" * 101) == []


def test_meaning_is_near_for_near_words_and_nothing_for_none():
    violin, fiddle, drum = (meaning(text) for text in ("violin", "fiddle", "drum"))
    assert violin @ fiddle > violin @ drum + 0.2
    assert violin.norm() == pytest.approx(1.0, abs=1e-5)
    assert torch.equal(meaning("小提琴"), torch.zeros(PIECE))


def test_a_text_has_features_whatever_its_script_and_case(generator):
    torch.manual_seed(0)
    trunk = WordTrunk().eval()
    found = trunk(["A violin.", "a VIOLIN", "violni", "小提琴", "violin"])
    assert found.shape == (5, word_trunk.FEATURES) and torch.isfinite(found).all()
    alone = trunk(["小提琴"])
    assert torch.allclose(alone[0], found[3], atol=1e-6)


@pytest.mark.parametrize("text", ["", "?!", " - "])
def test_a_text_without_a_word_is_refused(text):
    with pytest.raises(InputError, match="holds no word"):
        grams(text)
