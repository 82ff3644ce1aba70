"""What a step of reinforcement learning costs beside a supervised one: time and peak memory, for
several G and estimators.

Every row is timed in a process of its own, whose peak memory is read; ratios are of medians. Below
them, what no step can do without, alone: the old policy's U-Net, the reward encoder on the target
(once) and on an estimate (G times). With the supervised step they bound the ratio from below. The
encoder that embeds queries gives the rewards, too; weights do not matter here.
"""

import argparse
import itertools
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from mars_lib import config
from mars_lib.advantage import MovingBaseline
from mars_lib.check import told
from mars_lib.config import PolicyConfig
from mars_lib.data import manifests
from mars_lib.data.mixtures import MixtureStream
from mars_lib.encoders.frozen import frozen
from mars_lib.inference import pretrained, system
from mars_lib.io.devices import multiplies_bfloat16
from mars_lib.query import query_mixup
from mars_lib.training.query_bank import QueryBank, draw_queries
from mars_lib.training.rl_config import RLConfig, make_reward
from mars_lib.training.steps import rl_step, supervised_loss
from mars_lib.training.targets import RewardEncoder, queried_batch

ROWS = {
    "supervised": ("supervised", 1),
    "score, G = 1": ("score", 1),
    "score, G = 4": ("score", 4),
    "score, G = 8": ("score", 8),
    "pathwise": ("pathwise", 1),
}


def measure(options: argparse.Namespace) -> dict:
    """Median seconds of one step, targets included, and this process's peak memory in MB."""
    estimator, group = ROWS[options.row]
    batch_size, name = options.batch_size, options.encoder
    run = RLConfig(
        estimator=estimator, policy=PolicyConfig(group_size=group), batch_size=batch_size
    )
    separator, old = (system.load(device="cpu").separator for _ in range(2))
    encoder = pretrained.load_encoder(name)
    fusion = pretrained.load_mlbp(heads=pretrained.QUERY_HEADS[name], encoder=name)
    music = manifests.music()
    training = replace(
        config.small().training, batch_size=batch_size, augment=0.0, clips_per_class=2
    )
    stream = MixtureStream(music, "train", training)
    bank = QueryBank.embed(encoder, music, stream.classes, "train", 2, progress=False)
    optimizer = torch.optim.AdamW(separator.parameters(), run.learning_rate, fused=True)
    rewarding = RewardEncoder(frozen(encoder), bank)
    reward = make_reward(run, rewarding.encoder.embed_audio, fusion)
    batch, baseline, steps = stream.batch(0), MovingBaseline(), itertools.count()

    def one_step() -> None:
        step = next(steps)
        generator = torch.Generator().manual_seed(step)
        # As the two trainers have it: encoder and reward in float32, U-Nets in bfloat16 where the
        # processor computes in it.
        half = torch.autocast("cpu", torch.bfloat16, enabled=multiplies_bfloat16("cpu"))
        if estimator == "supervised":
            rows, weights = draw_queries(bank, batch.labels, 0, step)
            query = query_mixup(bank.embeddings(rows), weights)
            with half:
                loss = supervised_loss(separator, batch, query)
        else:
            queried = queried_batch(
                separator, encoder, bank, batch, 0, step, 9.0, torch.device("cpu"), rewarding
            )
            with half:
                loss, _ = rl_step(separator, old, queried, reward, baseline, run, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    seconds = timed(one_step, options.repeats)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "peak": peak}


def parts(options: argparse.Namespace) -> dict:
    """Median seconds of the U-Net without a gradient, and of the encoder on two sounds a
    mixture.
    """
    separator, batch_size = system.load(device="cpu").separator, options.batch_size
    encoder, signal = pretrained.load_encoder(options.encoder), separator.config.signal
    magnitude = torch.rand(batch_size, signal.n_bins, signal.n_frames)
    query = torch.nn.functional.normalize(
        torch.randn(batch_size, 2, encoder.embedding_size), dim=-1
    )
    sounds = torch.randn(2 * batch_size, signal.length)

    quick = frozen(encoder)

    def unet() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=multiplies_bfloat16("cpu")):
            separator(magnitude, query)

    found = {"unet": unet, "encoder": lambda: quick.embed_audio(sounds)}
    with torch.no_grad():
        return {name: timed(call, options.repeats) for name, call in found.items()}


def timed(call: Callable[[], object], repeats: int) -> float:
    """Median seconds of a call, after one that does not count."""
    seconds = []
    for _ in range(repeats + 1):
        begun = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--encoder", choices=tuple(pretrained.PACKAGED), default="minibind2")
    parser.add_argument("--row", choices=(*ROWS, "parts"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row:
        print(json.dumps(parts(options) if options.row == "parts" else measure(options)))
        return
    found = {}
    for name in (*ROWS, "parts"):
        command = [sys.executable, __file__, "--row", name, "--batch-size", str(options.batch_size)]
        command += ["--repeats", str(options.repeats), "--encoder", options.encoder]
        found[name] = json.loads(
            subprocess.run(command, capture_output=True, text=True, check=True).stdout
        )
    base, alone = found["supervised"], found.pop("parts")
    for name, row in found.items():
        print(
            f"{name:14} {row['seconds']:6.2f} s a step, "
            f"{row['seconds'] / base['seconds']:4.1f} times a supervised one; "
            f"peak {row['peak']:5.0f} MB"
        )
    least = {
        g: 1 + (alone["unet"] + (1 + g) * alone["encoder"]) / base["seconds"] for g in (1, 4, 8)
    }
    print(
        f"the old policy's U-Net alone {alone['unet']:.2f} s, the encoder alone "
        f"{alone['encoder']:.2f} s a pass: at least "
        + ", ".join(f"{ratio:.1f} times with G = {g}" for g, ratio in least.items())
    )


if __name__ == "__main__":
    with told():
        main()
