"""The four systems that `mars benchmark` compares, trained alike: `mars train systems`.

The same sounds, encoder, optimiser and number of steps for all, and a network of the same size.
OmniSep and MARS-Sep are one separator for the first third of the steps; then the one goes on with
its loss, the other with rewards. Beside them two that differ from MARS-Sep in the ear alone, and
two that have its signal term and no ear.
"""

from dataclasses import replace
from pathlib import Path

from mars_lib.baselines.audiosep import AUDIOSEP
from mars_lib.baselines.clipsep_nit import CLIPSEP_NIT
from mars_lib.config import Config
from mars_lib.data.cached_music import CachedMusic
from mars_lib.data.music import Music
from mars_lib.encoders.base import Encoder
from mars_lib.inference import pretrained
from mars_lib.io import devices
from mars_lib.training.method import OMNISEP, Method
from mars_lib.training.query_bank import QueryBank
from mars_lib.training.reinforce import train_rl
from mars_lib.training.rl_config import RLConfig, recipe
from mars_lib.training.supervised import train_supervised

SYSTEMS = ("clipsep-nit", "audiosep", "omnisep", "mars-sep")
# Heads of the encoder that hears MARS-Sep, and of those that hear the two others (Tables 4 and 6:
# no alignment, one stage, three stages).
REWARD_HEADS = {
    "mars-sep": "stage3",
    "mars-sep-one-stage": "one-stage",
    "mars-sep-not-aligned": None,
}
# Controls of a reward that holds SI-SDR: the same start, anchor, signal term and rates, and nobody
# who hears. The fair one takes its gradient through the sampled mask, as MARS-Sep does; "si-sdr"
# through the mask as it is.
SIGNAL_SAMPLED, SIGNAL_ALONE = "si-sdr-sampled", "si-sdr"


def train_systems(
    config: Config,
    music: Music,
    encoder: Encoder,
    work: Path,
    *,
    seed: int = 0,
    device: str = "auto",
    progress: bool = True,
) -> dict[str, Path]:
    """Train the systems with one seed in `work`; {system: its checkpoint}.

    `config.training.steps` are those of each system. What is finished in `work` is taken from
    there, what was interrupted goes on. Raises `InputError` where `work` holds runs of other
    options, data, encoders or of another version of the code.
    """
    steps = config.training.steps
    config = replace(config, training=replace(config.training, seed=seed))
    music = CachedMusic(replace(music, length=config.signal.length))
    device = devices.choose_device(device)
    # Training would move it too, but what is finished is not trained again.
    encoder = encoder.to(device)

    def begun(folder: str) -> bool:
        return (work / folder / "last.safetensors").is_file()

    def supervised(method: Method, folder: str, steps: int) -> Path:
        t = replace(config.training, steps=steps, decay_steps=steps)
        return train_supervised(
            replace(config, training=t),
            music,
            encoder,
            work / folder,
            accelerator=device,
            progress=progress,
            method=method,
            resume=begun(folder),
        )

    start = supervised(OMNISEP, "start", steps // 3)
    rl = further(config, steps - steps // 3, seed)
    varied = replace(music, augment=rl.augment)
    bank = QueryBank.embed(
        encoder,
        varied,
        varied.classes("train"),
        "train",
        rl.queries_per_class,
        seed,
        device,
        progress,
    )
    alone = replace(rl, estimator="supervised", anchor=1.0)
    sampled = replace(rl, estimator="pathwise", reward="signal")
    signal = replace(sampled, estimator="mode")
    controls = ((SIGNAL_ALONE, signal, None), (SIGNAL_SAMPLED, sampled, None))
    runs = (
        ("omnisep", alone, None),
        *((name, rl, heads) for name, heads in REWARD_HEADS.items()),
        *controls,
    )
    for folder, run, heads in runs:
        reward_encoder = None if heads is None else pretrained.load_minibind(heads=heads)
        train_rl(
            start,
            run,
            music,
            encoder,
            pretrained.load_mlbp(heads=heads),
            work / folder,
            reward_encoder=reward_encoder,
            bank=bank,
            accelerator=device,
            progress=progress,
            resume=begun(folder),
        )
    for method in (CLIPSEP_NIT, AUDIOSEP):
        supervised(method, method.kind, steps)
    return {
        name: work / name / "best.safetensors"
        for name in (*SYSTEMS, *REWARD_HEADS, SIGNAL_ALONE, SIGNAL_SAMPLED)
    }


def further(config: Config, steps: int, seed: int) -> RLConfig:
    """How MARS-Sep goes on: the recipe, for as many steps and on batches as large as OmniSep's.

    Of 4e-4 and 1e-3 the peak rate of both is the one with the better SI-SDRi on the validation
    split, by runs of 400 steps with seed 0: 1e-3 for the one as for the other.
    """
    t = config.training
    return replace(
        recipe(),
        steps=steps,
        seed=seed,
        learning_rate=1e-3,
        batch_size=t.batch_size,
        augment=t.augment,
        validate_every=steps,
        validation_mixtures=t.validation_mixtures,
        queries_per_class=t.queries_per_class,
    )
