"""Supervised training: the loop around a method's loss, with validation, checkpoints and resume."""

import json
import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import nn
from tqdm.std import tqdm

from mars_lib import config as configs
from mars_lib.check import fail
from mars_lib.config import Config, TrainingConfig
from mars_lib.data.mixtures import MixtureBatch, MixtureStream
from mars_lib.data.render import MiniMusic
from mars_lib.encoders import Encoder
from mars_lib.query import query_mixup
from mars_lib.training import checkpoint, processes
from mars_lib.training.budget import Budget
from mars_lib.training.log import RunLog, tell
from mars_lib.training.loop import (
    Validation, ahead, draw_queries, optimizer_tensors, restore_optimizer, separator_checkpoint,
)
from mars_lib.training.method import OMNISEP, Method
from mars_lib.training.query_bank import MODALITIES, QueryBank
from mars_lib.training.steps import learning_rate

COLUMNS = ("loss", "learning_rate", "gradient_norm", "validation_si_sdri")


@processes.explained
def train_supervised(
    config: Config,
    music: MiniMusic,
    encoder: Encoder,
    folder: str | Path,
    *,
    accelerator: str = "auto",
    resume: bool = False,
    progress: bool = True,
    method: Method = OMNISEP,
    compiled: bool = False,
) -> Path:
    """OmniSep's recipe (Section 3.1.2, Appendix B): WBCE, mixed queries, Adam, warm-up, clipping; or another `method`'s loss and queries.

    Writes `folder/last.safetensors` at every validation and on Ctrl-C, `folder/best.safetensors` at
    the best validation SI-SDRi, `metrics.csv` and TensorBoard files; returns the path of the best. With
    `resume` it goes on from `last`, on one CPU bit for bit as if it had never stopped: data and queries
    are functions of the step. `compiled` puts the network through torch.compile, which takes a minute or two. Under `torchrun` each process trains on its part of every batch, the first one writes. Raises
    `InputError` for a configuration other than the interrupted one, a batch that cannot be cut into equal parts, a full device, lost
    processes; and FloatingPointError when the loss is no longer finite (the last good checkpoint is kept).
    """
    t, folder = config.training, Path(folder)
    fabric = processes.make_fabric(accelerator, t.precision)
    progress = progress and processes.first()
    processes.check_batch("batch size", t.batch_size, t.accumulate)
    torch.manual_seed(t.seed)
    # On its device before Adam: a resumed state goes where its parameters are.
    separator = method.build(config).to(fabric.device, memory_format=torch.channels_last)
    processes.share_batch_norm(separator)
    optimizer = torch.optim.Adam(separator.parameters(), t.learning_rate, (0.9, 0.999), 1e-8)
    first, best = 0, float("-inf")
    if resume:
        first, best = _resume(folder / "last.safetensors", config, separator, optimizer, method.kind)
    # Weights, gradients and the two moments of Adam; `last` holds three of them, `best` the weights, each twice while it is written.
    budget = Budget(separator, fabric.device, folder, weights=4, saved=4, steps=t.steps)
    if compiled:
        separator.compile()
    separator, optimizer = fabric.setup(separator, optimizer)
    encoder = encoder.to(fabric.device).eval()
    stream = MixtureStream(replace(music, augment=t.augment), "train", t)
    bank = QueryBank.embed(
        encoder, stream.music, stream.classes, "train", t.queries_per_class, t.seed,
        fabric.device, progress,
    )
    validation = Validation.make(t, music, encoder)
    log = RunLog(folder, COLUMNS, first)
    done = first
    bar = tqdm(total=t.steps, initial=first, desc="training", unit="step", disable=not progress)
    tell(bar, budget.before())
    try:
        for step, batch in ahead(partial(stream.batch, share=processes.share()), first, t.steps):
            rate = learning_rate(step, t.learning_rate, t.warmup_steps, t.decay_steps)
            for group in optimizer.param_groups:
                group["lr"] = rate
            batch = MixtureBatch(*(x.to(fabric.device) for x in vars(batch).values()))
            query = _draw(bank, encoder, batch, t, step, method)
            optimizer.zero_grad()
            losses = []
            for each, asked, last in _passes(batch, query, t.accumulate):
                with fabric.no_backward_sync(separator, enabled=not last):
                    with fabric.autocast():
                        loss = method.loss(separator, each, asked)
                    fabric.backward(loss / t.accumulate)
                losses.append(loss.item())
            row = processes.mean({"loss": sum(losses) / len(losses)})
            if not math.isfinite(row["loss"]):
                raise FloatingPointError(
                    f"the loss is {row['loss']} at step {step}; {folder / 'last.safetensors'} holds "
                    "the last good state: resume it with a lower learning rate"
                )
            norm = fabric.clip_gradients(separator, optimizer, max_norm=t.gradient_clip)
            optimizer.step()
            done = step + 1
            row |= {"learning_rate": rate, "gradient_norm": float(norm)}
            if done % t.validate_every == 0 or done == t.steps:
                estimates = validation.estimates(separator.module, method.separate)
                row |= processes.mean({"validation_si_sdri": validation.improvement(estimates)})
                if row["validation_si_sdri"] > best:
                    best = row["validation_si_sdri"]
                    _save(folder / "best.safetensors", config, separator, optimizer, done, best, method.kind)
                _save(folder / "last.safetensors", config, separator, optimizer, done, best, method.kind)
            log.write(step, **row)
            bar.update()
            tell(bar, budget.after(done, first))
            bar.set_postfix(loss=f"{row['loss']:.3f}", **({"val_si_sdri": f"{best:.2f} dB"} if math.isfinite(best) else {}))
    except KeyboardInterrupt:
        _save(folder / "last.safetensors", config, separator, optimizer, done, best, method.kind)
        bar.write(f"stopped at step {done}; go on with --resume")
        raise
    finally:
        bar.close()
        log.close()
    return folder / "best.safetensors"


def _passes(batch: MixtureBatch, query: torch.Tensor, count: int):
    """(mixtures, queries, whether it is the last) of the passes that make one step."""
    cut = [x.chunk(count) for x in (*vars(batch).values(), query)]
    for i, (*fields, asked) in enumerate(zip(*cut)):
        yield MixtureBatch(*fields), asked, i == count - 1


def _draw(bank: QueryBank, encoder: Encoder, batch: MixtureBatch, t: TrainingConfig, step: int, method: Method):
    """Query-Mixup (Eq. 1) of one example a modality for every source: (B, N, D)."""
    embeddings, weights = draw_queries(bank, batch.labels.cpu(), t.seed, step, method.weights)
    embeddings = embeddings.to(batch.mixture.device)
    if t.query_own_recording:
        with torch.no_grad():
            own = encoder.embed_audio(batch.references.flatten(0, 1))
        embeddings[:, :, MODALITIES.index("audio")] = own.reshape(embeddings[:, :, 0].shape)
    return query_mixup(embeddings, weights.to(embeddings.device))


def _save(path: Path, config: Config, separator, optimizer, step: int, best: float, kind: str) -> None:
    if not processes.first():
        return
    tensors, meta = separator_checkpoint(
        configs.to_dict(config), separator.module, kind, step=step,
        validation_si_sdri=best if best > float("-inf") else None,
    )
    checkpoint.save(path, tensors | optimizer_tensors(optimizer), meta)


def _resume(path: Path, config: Config, separator: nn.Module, optimizer, kind: str) -> tuple[int, float]:
    saved = checkpoint.load(path, kind)
    if saved.meta["config"] != json.loads(json.dumps(configs.to_dict(config))):
        fail(f"checkpoint {path}", "has another configuration", "resume with the same options")
    checkpoint.restore(separator, saved.part("separator"), f"checkpoint {path}")
    restore_optimizer(optimizer, saved.part("optimizer"))
    best = saved.meta["validation_si_sdri"]
    return saved.meta["step"], float("-inf") if best is None else best
