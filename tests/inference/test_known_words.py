import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from mars_lib.inference import pretrained
from mars_lib.inference.known_words import LEAST, class_directions, read, warn_of_unfamiliar

TABLE = json.loads(
    (Path(__file__).resolve().parents[2] / "benchmarks" / "paraphrases.json").read_text("utf-8")
)


@pytest.fixture(scope="module")
def encoder():
    return pretrained.load_minibind2(heads="stage3")


def test_paraphrases_are_read_and_unknown_sounds_are_told_apart(encoder):
    known = class_directions(encoder)
    asked = [(name, text) for name, texts in TABLE["classes"].items() for text in texts]
    readings = [(name, read(encoder, text, known)) for name, text in asked]
    assert np.mean([reading.nearest[0] == name for name, reading in readings]) >= 0.85
    sure = np.mean([reading.familiarity >= LEAST for _, reading in readings])
    unsure = np.mean([read(encoder, text, known).familiarity < LEAST for text in TABLE["unknown"]])
    # One in ten of what names a class is below, and nearly all of what names none.
    assert 0.88 < sure < 0.93 and unsure > 0.95
    for text in ("kettle boiling", "rain", "kazoo"):
        assert read(encoder, text, known).familiarity < LEAST, text


def test_a_warning_names_the_nearest_classes(encoder):
    known = class_directions(encoder)
    text = min(TABLE["unknown"], key=lambda each: read(encoder, each, known).familiarity)
    near = read(encoder, text).nearest
    with pytest.warns(UserWarning, match="may be no sound that the encoder knows") as found:
        warn_of_unfamiliar(encoder, text, stacklevel=1)
    assert all(repr(name) in str(found[0].message) for name in near)
    assert found[0].filename == __file__
    with warnings.catch_warnings(action="error"):
        warn_of_unfamiliar(encoder, "violin", stacklevel=1)
