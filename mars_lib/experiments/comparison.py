"""The four systems that `mars benchmark` compares, trained alike: `mars train systems`.

The same sounds, encoder, optimiser and number of steps for all, and a network of the same size.
"omnisep" and "pathwise" are one separator for the first third of the steps; then the one goes on
with its loss, the other with rewards, by the recipe of this course and not by the paper's PPO.
Beside them two that differ from "pathwise" in the reward encoder alone, and two that have its
signal term and no reward encoder.
"""

from dataclasses import replace
from pathlib import Path

from mars_lib.baselines.audiosep import AUDIOSEP
from mars_lib.baselines.clipsep_nit import CLIPSEP_NIT
from mars_lib.config import Config
from mars_lib.data.cached_music import remembering
from mars_lib.data.music import Music
from mars_lib.encoders.base import Encoder
from mars_lib.inference import pretrained
from mars_lib.io import devices
from mars_lib.training.method import OMNISEP, Method
from mars_lib.training.query_bank import QueryBank
from mars_lib.training.reinforce import train_rl
from mars_lib.training.rl_config import RLConfig, recipe
from mars_lib.training.supervised import train_supervised

SYSTEMS = ("clipsep-nit", "audiosep", "omnisep", "pathwise")
# Heads of the reward encoder of "pathwise", and of those of the two others (Tables 4 and 6: no
# alignment, one stage, three stages).
REWARD_HEADS = {
    "pathwise": "stage3",
    "pathwise-one-stage": "one-stage",
    "pathwise-not-aligned": None,
}
# Controls of a reward that holds SI-SDR: the same start, anchor, signal term and rates, and no
# reward encoder. The fair one takes its gradient through the sampled mask, as "pathwise" does;
# "si-sdr" through the mask as it is.
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
    """Train the systems with one seed; {system: its checkpoint}.

    Args:
        config: of every system; `config.training.steps` are those of each.
        music: what they are trained on.
        encoder: of their queries.
        work: folder of the runs. What is finished there is taken, what was interrupted goes on.
        seed: of the training.
        device: "cpu", "cuda", "mps" or "auto".
        progress: show progress bars.

    Raises:
        InputError: where `work` holds runs of other options, data, encoders or of another version
            of the code.
    """
    steps = config.training.steps
    config = replace(config, training=replace(config.training, seed=seed))
    cached = remembering(music)
    device = devices.choose_device(device)
    # Training would move it too, but what is finished is not trained again.
    encoder = encoder.to(device)

    def supervised(method: Method, folder: str, steps: int) -> Path:
        t = replace(config.training, steps=steps, decay_steps=steps)
        return train_supervised(
            replace(config, training=t),
            cached,
            encoder,
            work / folder,
            accelerator=device,
            progress=progress,
            method=method,
            resume=_begun(work / folder),
        )

    start = supervised(OMNISEP, "start", steps // 3)
    rl = further(config, steps - steps // 3, seed)
    _train_further(start, rl, cached, encoder, work, device, progress)
    for method in (CLIPSEP_NIT, AUDIOSEP):
        supervised(method, method.kind, steps)
    names = (*SYSTEMS, *REWARD_HEADS, SIGNAL_ALONE, SIGNAL_SAMPLED)
    return {name: work / name / "best.safetensors" for name in names}


def _train_further(
    start: Path,
    rl: RLConfig,
    music: Music,
    encoder: Encoder,
    work: Path,
    device: str,
    progress: bool,
) -> None:
    """Train what goes on from the common start: OmniSep, "pathwise" and what differs from it."""
    classes = music.classes("train")
    bank = QueryBank.embed(
        encoder,
        music,
        classes,
        "train",
        rl.queries_per_class,
        rl.seed,
        device,
        progress,
        augment=rl.augment,
    )
    for folder, (run, heads) in _further_runs(rl).items():
        train_rl(
            start,
            run,
            music,
            encoder,
            pretrained.load_mlbp(heads=heads),
            work / folder,
            reward_encoder=None if heads is None else pretrained.load_minibind(heads=heads),
            bank=bank,
            accelerator=device,
            progress=progress,
            resume=_begun(work / folder),
        )


def _begun(folder: Path) -> bool:
    return (folder / "last.safetensors").is_file()


def _further_runs(rl: RLConfig) -> dict[str, tuple[RLConfig, str | None]]:
    """{system: (its run from the common start, heads of its reward encoder)}, in this order."""
    sampled = replace(rl, estimator="pathwise", reward="signal")
    return {
        "omnisep": (replace(rl, estimator="supervised", anchor=1.0), None),
        **{name: (rl, heads) for name, heads in REWARD_HEADS.items()},
        SIGNAL_ALONE: (replace(sampled, estimator="mode"), None),
        SIGNAL_SAMPLED: (sampled, None),
    }


def further(config: Config, steps: int, seed: int) -> RLConfig:
    """How "pathwise" goes on: the recipe, for as many steps and on batches as large as OmniSep's.

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
        clips_per_class=t.clips_per_class,
        augment=t.augment,
        validate_every=steps,
        validation_mixtures=t.validation_mixtures,
        queries_per_class=t.queries_per_class,
    )
