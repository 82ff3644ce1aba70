"""Supervised training: the loop around a method's loss, with validation, checkpoints and resume."""

import math
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import nn
from tqdm.std import tqdm

from mars_lib import config as configs
from mars_lib.config import Config, TrainingConfig
from mars_lib.data.mixtures import MixtureBatch, MixtureStream, ahead
from mars_lib.data.music import Music
from mars_lib.encoders.base import Encoder
from mars_lib.query import query_mixup
from mars_lib.training import distributed
from mars_lib.training.budget import Budget
from mars_lib.training.interrupts import Interrupts
from mars_lib.training.log import RunLog, tell
from mars_lib.training.method import OMNISEP, Method
from mars_lib.training.optimisation import (
    clip_and_step,
    explained_divergence,
)
from mars_lib.training.query_bank import MODALITIES, QueryBank, draw_queries
from mars_lib.training.run_folder import claimed, digest_of_encoder, identity, last_of
from mars_lib.training.schedule import learning_rate
from mars_lib.training.state import SupervisedRun
from mars_lib.training.validation import Validation

COLUMNS = ("loss", "learning_rate", "gradient_norm", "validation_si_sdri")


@distributed.explained
def train_supervised(
    config: Config,
    music: Music,
    encoder: Encoder,
    folder: str | Path,
    *,
    accelerator: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
    method: Method = OMNISEP,
    compiled: bool = False,
) -> Path:
    """OmniSep's recipe (Section 3.1.2, Appendix B): WBCE, mixed queries, Adam, warm-up, clipping;
    or another `method`'s loss and queries.

    Writes `folder/last.safetensors` at every validation and on Ctrl-C or SIGTERM, which wait for
    the end of their step; `folder/best.safetensors` at the best validation SI-SDRi; `metrics.csv`
    and TensorBoard files; returns the path of the best. With `resume` it goes on from `last`, on
    one CPU bit for bit as if it had never stopped: data and queries are functions of the step. A
    run that has ended is returned as it is. `compiled` puts the network through torch.compile,
    which takes a minute or two. Under `torchrun` each process trains on its part of every batch,
    the first one writes.

    Raises `InputError` for a folder that holds a run already, unless it is to be resumed or
    (`overwrite`) made anew, or that another process trains in; for another configuration, data,
    encoder or version of the code than the interrupted run's; for a batch that cannot be cut into
    equal parts, a full device, lost processes; and FloatingPointError when a loss or gradient is no
    longer finite (the last good checkpoint is kept).
    """
    t, folder = config.training, Path(folder)
    fabric = distributed.make_fabric(accelerator, t.precision)
    distributed.check_batch("batch size", t.batch_size, t.accumulate)
    with claimed(folder, resume=resume, overwrite=overwrite):
        torch.manual_seed(t.seed)
        # On its device before the optimiser is, whose state goes where the parameters are.
        separator = method.build(config).to(fabric.device, memory_format=torch.channels_last)
        distributed.share_batch_norm(separator)
        optimizer = torch.optim.Adam(separator.parameters(), t.learning_rate, (0.9, 0.999), 1e-8)
        ours = identity(
            kind=method.kind,
            options=configs.to_dict(config),
            data=music.fingerprint(),
            encoder=digest_of_encoder(encoder),
        )
        run = SupervisedRun(config, method.kind, ours, separator, optimizer, fabric, folder)
        if resume:
            run.restore(last_of(folder, method.kind, ours))
        if run.step < t.steps:
            _train(run, music, encoder, method, progress and distributed.first(), compiled)
    return folder / "best.safetensors"


def _train(
    run: "SupervisedRun",
    music: Music,
    encoder: Encoder,
    method: Method,
    progress: bool,
    compiled: bool,
) -> None:
    """The steps that are left of a run."""
    t, fabric, first = run.config.training, run.fabric, run.step
    # Weights, gradients and the two moments of Adam; `last` holds three of them, `best` the
    # weights, each twice while it is written.
    budget = Budget(run.separator, fabric.device, run.folder, weights=4, saved=4, steps=t.steps)
    if compiled:
        run.separator.compile()
    separator, optimizer = fabric.setup(run.separator, run.optimizer)
    encoder = encoder.to(fabric.device).eval()
    stream = MixtureStream(replace(music, augment=t.augment), "train", t)
    bank = QueryBank.embed(
        encoder,
        stream.music,
        stream.classes,
        "train",
        t.queries_per_class,
        t.seed,
        fabric.device,
        progress,
    )
    validation = Validation.make(t, music, encoder)
    log = RunLog(run.folder, COLUMNS, first)
    bar = tqdm(total=t.steps, initial=first, desc="training", unit="step", disable=not progress)
    tell(bar, budget.before())
    if first == 0:
        run.save("last")
    with Interrupts() as interrupts, closing(log), closing(bar):
        for step, batch in ahead(partial(stream.batch, share=distributed.share()), first, t.steps):
            rate = learning_rate(step, t.learning_rate, t.warmup_steps, t.decay_steps)
            for group in optimizer.param_groups:
                group["lr"] = rate
            batch = MixtureBatch(*(x.to(fabric.device) for x in vars(batch).values()))
            query = _draw(bank, encoder, batch, t, step, method)
            optimizer.zero_grad()
            with explained_divergence(step, run.folder):
                row = _losses(fabric, separator, batch, query, t.accumulate, method)
                norm = clip_and_step(fabric, separator, optimizer, t.gradient_clip)
            run.step = step + 1
            row |= {"learning_rate": rate, "gradient_norm": norm}
            if run.step % t.validate_every == 0 or run.step == t.steps:
                with explained_divergence(step, run.folder):
                    estimates = validation.estimates(separator.module, method.separate)
                    row |= distributed.mean(
                        {"validation_si_sdri": validation.improvement(estimates)}
                    )
                run.judge_progress(row["validation_si_sdri"])
            log.write(step, **row)
            bar.update()
            tell(bar, budget.after(run.step, first))
            best = (
                {"val_si_sdri": f"{run.best:.2f} dB"}
                if run.best is not None and math.isfinite(run.best)
                else {}
            )
            bar.set_postfix(loss=f"{row['loss']:.3f}", **best)
            if distributed.agreed(interrupts.asked):
                run.save("last")
                distributed.agreed(
                    True
                )  # the others wait: who ends ends all, also the one that writes
                tell(bar, f"stopped at step {run.step}; go on with --resume")
                raise KeyboardInterrupt


def _losses(
    fabric,
    separator: nn.Module,
    batch: MixtureBatch,
    query: torch.Tensor,
    count: int,
    method: Method,
) -> dict[str, float]:
    """Forward and backward of one step in `count` passes; {"loss": its mean over passes and
    processes}.
    """
    losses = []
    for each, asked, last in _passes(batch, query, count):
        with fabric.no_backward_sync(separator, enabled=not last):
            with fabric.autocast():
                loss = method.loss(separator, each, asked)
            fabric.backward(loss / count)
        losses.append(loss.item())
    row = distributed.mean({"loss": sum(losses) / len(losses)})
    if not math.isfinite(row["loss"]):
        raise FloatingPointError(f"the loss is {row['loss']}")
    return row


def _passes(batch: MixtureBatch, query: torch.Tensor, count: int):
    """(mixtures, queries, whether it is the last) of the passes that make one step."""
    cut = [x.chunk(count) for x in (*vars(batch).values(), query)]
    for i, (*fields, asked) in enumerate(zip(*cut)):
        yield MixtureBatch(*fields), asked, i == count - 1


def _draw(
    bank: QueryBank,
    encoder: Encoder,
    batch: MixtureBatch,
    t: TrainingConfig,
    step: int,
    method: Method,
):
    """Query-Mixup (Eq. 1) of one example a modality for every source: (B, N, D)."""
    embeddings, weights = draw_queries(bank, batch.labels.cpu(), t.seed, step, method.weights)
    embeddings = embeddings.to(batch.mixture.device)
    if t.query_own_recording:
        with torch.no_grad():
            own = encoder.embed_audio(batch.references.flatten(0, 1))
        embeddings[:, :, MODALITIES.index("audio")] = own.reshape(embeddings[:, :, 0].shape)
    return query_mixup(embeddings, weights.to(embeddings.device))
