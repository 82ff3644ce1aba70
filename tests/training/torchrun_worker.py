"""What `torchrun` starts in test_processes: a short training run, `python torchrun_worker.py START
OUT KIND... [dies] [resume] [passes]`; with `passes` a step takes two.
"""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch

from mars_lib import config
from mars_lib.config import PolicyConfig
from mars_lib.data import manifests
from mars_lib.inference import pretrained
from mars_lib.reward import MLBP
from mars_lib.training.reinforce import train_rl
from mars_lib.training.rl_config import RLConfig
from mars_lib.training.supervised import train_supervised

STEPS, BATCH = 4, 4
RL = RLConfig(
    steps=STEPS,
    batch_size=BATCH,
    validate_every=2,
    validation_mixtures=4,
    queries_per_class=2,
    precision="32-true",
    learning_rate=1e-3,
    augment=0.0,
)
KINDS = {
    "score": RL,
    "score-of-four": replace(RL, policy=PolicyConfig(group_size=4, antithetic=True)),
    "score-by-patch": replace(RL, policy=PolicyConfig(group_size=2, patch=4, credit="patch")),
    "pathwise": replace(RL, estimator="pathwise", anchor=0.3),
}


def train(
    start: Path, out: Path, kind: str, dies: bool = False, resume: bool = False, accumulate: int = 1
) -> None:
    """One run; with `dies`, the process of rank 1 is killed at the third step."""
    torch.set_num_threads(1)
    music, encoder = manifests.music(), pretrained.load_minibind()
    if kind == "supervised":
        smoke = config.smoke()
        training = replace(
            smoke.training,
            steps=STEPS,
            batch_size=BATCH,
            validate_every=2,
            augment=0.0,
            accumulate=accumulate,
        )
        smoke = replace(smoke, signal=replace(smoke.signal, length=8_191), training=training)
        train_supervised(
            smoke,
            replace(music, length=8_191),
            encoder,
            out,
            accelerator="cpu",
            progress=False,
            resume=resume,
        )
        return

    def on_step(step: int, row: dict) -> None:
        if dies and step == 2 and os.environ.get("RANK") == "1":
            os.kill(os.getpid(), signal.SIGKILL)

    torch.manual_seed(0)
    settings = replace(KINDS[kind], accumulate=accumulate)
    train_rl(
        start,
        settings,
        music,
        encoder,
        MLBP(256, 16),
        out,
        accelerator="cpu",
        progress=False,
        resume=resume,
        on_step=on_step,
    )


if __name__ == "__main__":
    start, out, *kinds = sys.argv[1:]
    options = {name: name in kinds for name in ("dies", "resume")}
    passes = 2 if "passes" in kinds else 1
    for kind in kinds:
        if kind not in (*options, "passes"):
            train(Path(start), Path(out) / kind, kind, **options, accumulate=passes)
