"""`mars train systems`: what is in its folder is gone on with only where it is of the same run."""

from dataclasses import replace

import pytest

from mars_lib import config
from mars_lib.check import InputError
from mars_lib.experiments import checkpoints, comparison
from mars_lib.experiments.comparison import train_systems
from mars_lib.training import supervised
from tests.data.few import few


@pytest.fixture
def settings():
    smoke = config.smoke()
    training = replace(
        smoke.training,
        steps=3,
        batch_size=2,
        validate_every=1,
        validation_mixtures=2,
        queries_per_class=1,
        augment=0.0,
    )
    return replace(smoke, signal=replace(smoke.signal, length=8_191), training=training)


def test_a_folder_of_another_run_is_refused_and_its_own_is_taken_as_it_is(
    settings, minibind, tmp_path, monkeypatch
):
    monkeypatch.setattr(comparison, "REWARD_HEADS", {"pathwise": "stage3"})

    def train(settings=settings, music=None):
        return train_systems(
            settings, music or few(), minibind, tmp_path, device="cpu", progress=False
        )

    made = {name: path.read_bytes() for name, path in train().items()}
    with monkeypatch.context() as patch:
        patch.setattr(supervised, "_train", lambda *args: pytest.fail("all is trained"))
        assert {name: path.read_bytes() for name, path in train().items()} == made
    with pytest.raises(
        InputError, match="is of another run: it differs in options.training.learning_rate"
    ):
        train(replace(settings, training=replace(settings.training, learning_rate=0.5)))
    with pytest.raises(InputError, match="is of another run: it differs in data"):
        train(music=replace(few(), fonts=few().fonts[:1]))


def test_a_kept_trunk_of_another_recipe_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "TRUNK_STEPS", {"audio": 1, "image": 1, "text": 1})
    monkeypatch.setattr(checkpoints, "BATCH", {"audio": 2, "image": 2, "text": 2})
    monkeypatch.setattr(checkpoints.minibind_trunks, "train_heads", lambda *args: None)
    checkpoints.make_minibind(tmp_path, few(), "cpu")
    checkpoints.make_minibind(tmp_path, few(), "cpu")
    with pytest.raises(InputError, match="is of another run: it differs in seed"):
        checkpoints.make_minibind(tmp_path, few(), "cpu", seed=1)
