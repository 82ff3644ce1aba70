"""What tests of the commands share."""

import pytest

from mars_lib.data.synthesis import soundfonts
from mars_lib.inference import pretrained, system


@pytest.fixture
def nothing_is_loaded(monkeypatch):
    """Encoders, separators and soundfonts may not be touched."""

    def touched(*_, **__):
        raise AssertionError("work began")

    for owner, name in (
        (system, "load"),
        (pretrained, "load_encoder"),
        (pretrained, "load_minibind"),
        (soundfonts, "find"),
    ):
        monkeypatch.setattr(owner, name, touched)
