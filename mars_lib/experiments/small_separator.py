"""How the small separator is made: on the first encoder, on the second, then with rewards."""

from dataclasses import replace
from pathlib import Path

from mars_lib import config as configs
from mars_lib.config import Config
from mars_lib.data.music import Music
from mars_lib.experiments.exported_separators import requeried
from mars_lib.inference.pretrained import QUERY_HEADS, load_encoder, load_judge, load_mlbp
from mars_lib.io import checkpoint
from mars_lib.training.reinforce import train_rl
from mars_lib.training.rl_config import recipe
from mars_lib.training.supervised import train_supervised

# On MiniBind's queries and the recipe's sounds.
FIRST = replace(
    configs.small().training,
    batch_size=32,
    steps=6_000,
    decay_steps=6_000,
    clips_per_class=256,
)
# Then on MiniBind2's and all sounds, as the configuration says, but more gently.
SECOND_RATE = 5e-4
REWARDS = replace(recipe(), steps=600, validate_every=100)


def make_separator(
    work: Path, config: Config, music: Music, more_music: Music, device: str
) -> Path:
    """Train it without rewards; returns the folder of the second run.

    Between the two runs the query gate is fitted to the other embeddings by least squares, which
    keeps what the U-Net has learned. Trained on MiniBind2 and all sounds alone, for as many steps
    as the second run, it had gained 0.8 dB less on the validation split (docs/results.md).

    Args:
        work: folder of the two runs, which are resumed there.
        config: of the second run.
        music: what the first run hears.
        more_music: what the second one hears.
        device: where it is trained.
    """
    first = replace(config, encoder="minibind", training=FIRST)
    begun = _supervised(work / "first", first, music, device)
    start = work / "start.safetensors"
    checkpoint.save(start, *requeried(begun, config.encoder, music))
    gentle = replace(config.training, learning_rate=SECOND_RATE)
    _supervised(work / "second", replace(config, training=gentle), more_music, device, start)
    return work / "second"


def _supervised(
    run: Path, config: Config, music: Music, device: str, start: Path | None = None
) -> Path:
    return train_supervised(
        config,
        music,
        load_encoder(config.encoder).to(device),
        run,
        accelerator=device,
        start=start,
        resume=(run / "last.safetensors").is_file(),
    )


def reward_separator(run: Path, start: Path, config: Config, music: Music, device: str) -> Path:
    """Train it further with rewards; returns the checkpoint with the best reward.

    The encoder that embeds queries gives the rewards, too.

    Args:
        run: folder, in which it is resumed.
        start: the separator without rewards.
        config: names the encoder.
        music: what it hears.
        device: where it is trained.
    """
    name = config.encoder
    return train_rl(
        start,
        REWARDS,
        music,
        load_encoder(name).to(device),
        load_mlbp(heads=QUERY_HEADS[name], encoder=name),
        run,
        judge=load_judge(),
        accelerator=device,
        resume=(run / "last.safetensors").is_file(),
    )
