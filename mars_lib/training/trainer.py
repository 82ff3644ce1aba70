"""The loop around a step: device, precision, data ahead of time, validation, checkpoints, resume."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import nn
from tqdm.std import tqdm

from mars_lib import config as configs
from mars_lib.check import fail
from mars_lib.config import Config
from mars_lib.data.mixtures import MixtureBatch, MixtureStream
from mars_lib.data.render import MiniMusic
from mars_lib.encoders import Encoder
from mars_lib.evaluation.metrics import si_sdr
from mars_lib.query import query_mixup, random_weights
from mars_lib.separator import Separator, separate
from mars_lib.training import checkpoint
from mars_lib.training.log import RunLog
from mars_lib.training.query_bank import MODALITIES, QueryBank
from mars_lib.training.steps import learning_rate, supervised_loss

COLUMNS = ("loss", "learning_rate", "gradient_norm", "validation_si_sdri")


def train_supervised(
    config: Config,
    music: MiniMusic,
    encoder: Encoder,
    folder: str | Path,
    *,
    accelerator: str = "auto",
    resume: bool = False,
    progress: bool = True,
) -> Path:
    """OmniSep's recipe (Section 3.1.2, Appendix B): WBCE, mixed queries, Adam, warm-up, clipping.

    Writes `folder/last.safetensors` at every validation and on Ctrl-C, `folder/best.safetensors` at
    the best validation SI-SDRi, `metrics.csv` and TensorBoard files; returns the path of the best. With
    `resume` it goes on from `last`, on one CPU bit for bit as if it had never stopped: data and queries
    are functions of the step. Raises `InputError` for a configuration other than the interrupted one, and
    FloatingPointError when the loss is no longer finite (the last good checkpoint is kept).
    """
    t, folder = config.training, Path(folder)
    fabric = Fabric(accelerator=accelerator, devices=1, precision=t.precision)
    torch.manual_seed(t.seed)
    separator = Separator(config).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(separator.parameters(), t.learning_rate, (0.9, 0.999), 1e-8)
    first, best = 0, float("-inf")
    if resume:
        first, best = _resume(folder / "last.safetensors", config, separator, optimizer)
    separator, optimizer = fabric.setup(separator, optimizer)
    encoder = encoder.to(fabric.device).eval()
    stream = MixtureStream(replace(music, augment=t.augment), "train", t)
    bank = QueryBank.embed(
        encoder, stream.music, stream.classes, "train", t.queries_per_class, t.seed,
        fabric.device, progress,
    )
    validation = _validation(config, music, encoder, fabric.device)
    log = RunLog(folder, COLUMNS, first)
    done = first
    bar = tqdm(total=t.steps, initial=first, desc="training", unit="step", disable=not progress)
    try:
        for step, batch in _ahead(stream, first, t.steps):
            rate = learning_rate(step, t.learning_rate, t.warmup_steps, t.decay_steps)
            for group in optimizer.param_groups:
                group["lr"] = rate
            batch = MixtureBatch(*(x.to(fabric.device) for x in vars(batch).values()))
            query = _draw_queries(bank, encoder, batch, config, step)
            with fabric.autocast():
                loss = supervised_loss(separator.module, batch, query)
            if not torch.isfinite(loss):
                raise FloatingPointError(
                    f"the loss is {loss.item()} at step {step}; {folder / 'last.safetensors'} holds "
                    "the last good state: resume it with a lower learning rate"
                )
            optimizer.zero_grad()
            fabric.backward(loss)
            norm = fabric.clip_gradients(separator, optimizer, max_norm=t.gradient_clip)
            optimizer.step()
            done = step + 1
            row = {"loss": loss.item(), "learning_rate": rate, "gradient_norm": float(norm)}
            if done % t.validate_every == 0 or done == t.steps:
                row["validation_si_sdri"] = score = _validate(separator.module, validation)
                if score > best:
                    best = score
                    _save(folder / "best.safetensors", config, separator, optimizer, done, best)
                _save(folder / "last.safetensors", config, separator, optimizer, done, best)
            log.write(step, **row)
            bar.update()
            bar.set_postfix(loss=f"{row['loss']:.3f}", val_si_sdri=f"{best:.2f} dB")
    except KeyboardInterrupt:
        _save(folder / "last.safetensors", config, separator, optimizer, done, best)
        bar.write(f"stopped at step {done}; go on with --resume")
        raise
    finally:
        bar.close()
        log.close()
    return folder / "best.safetensors"


def _ahead(stream: MixtureStream, first: int, last: int) -> Iterator[tuple[int, MixtureBatch]]:
    """Batches first to last - 1, the next one rendered in a thread while the present one is used."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(stream.batch, first)
        for step in range(first, last):
            batch = waiting.result()
            if step + 1 < last:
                waiting = pool.submit(stream.batch, step + 1)
            yield step, batch


def _draw_queries(bank: QueryBank, encoder: Encoder, batch: MixtureBatch, config: Config, step: int):
    """Query-Mixup (Eq. 1) of one example a modality for every source: (B, N, D).

    Half of the queries are single modalities, so that those which people use occur as they are.
    The paper does not say; OmniSep mixes all three always.
    """
    generator = torch.Generator().manual_seed(config.training.seed * 1_000_003 + step)
    embeddings = bank.draw(batch.labels.cpu(), generator).to(batch.mixture.device)
    if config.training.query_own_recording:
        with torch.no_grad():
            own = encoder.embed_audio(batch.references.flatten(0, 1))
        embeddings[:, :, MODALITIES.index("audio")] = own.reshape(embeddings[:, :, 0].shape)
    shape = embeddings.shape[:3]
    weights = random_weights(shape, generator)
    single = torch.randint(len(MODALITIES), shape[:2], generator=generator)
    alone = torch.rand(shape[:2], generator=generator) < 0.5
    one_hot = nn.functional.one_hot(single, len(MODALITIES)).float()
    weights = torch.where(alone[..., None], one_hot, weights)
    return query_mixup(embeddings, weights.to(embeddings.device))


@torch.no_grad()
def _validation(config: Config, music: MiniMusic, encoder: Encoder, device) -> tuple:
    """Fixed validation mixtures and their text queries."""
    t = replace(config.training, batch_size=config.training.validation_mixtures, seed=0)
    batch = MixtureStream(replace(music, augment=0.0), "validation", t).batch(0)
    classes = music.classes("validation")
    names = [classes[k].name for k in batch.labels.flatten().tolist()]
    query = encoder.embed_text(names).reshape(*batch.labels.shape, -1)
    return batch, query, device


@torch.no_grad()
def _validate(separator: Separator, validation: tuple) -> float:
    """Mean SI-SDR improvement of the text queries, in dB."""
    batch, query, device = validation
    separator.eval()
    gains = []
    for i in range(0, len(batch.mixture), 16):
        mixture, references = batch.mixture[i : i + 16], batch.references[i : i + 16]
        estimates = separate(separator, mixture.to(device), query[i : i + 16]).cpu()
        after = si_sdr(estimate=estimates, reference=references)
        before = si_sdr(estimate=mixture[:, None].expand_as(references), reference=references)
        gains.append((after - before).flatten())
    separator.train()
    return float(torch.cat(gains).mean())


def _save(path: Path, config: Config, separator, optimizer, step: int, best: float) -> None:
    tensors = {f"separator.{k}": v for k, v in separator.module.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            tensors[f"optimizer.{index}.{name}"] = torch.as_tensor(value)
    meta = {"kind": "separator", "config": configs.to_dict(config), "step": step}
    checkpoint.save(path, tensors, {**meta, "validation_si_sdri": best if best > float("-inf") else None})


def _resume(path: Path, config: Config, separator: Separator, optimizer) -> tuple[int, float]:
    saved = checkpoint.load(path, "separator")
    if saved.meta["config"] != json.loads(json.dumps(configs.to_dict(config))):
        fail(f"checkpoint {path}", "has another configuration", "resume with the same options")
    checkpoint.restore(separator, saved.part("separator"), f"checkpoint {path}")
    state = optimizer.state_dict()
    for key, value in saved.part("optimizer").items():
        index, name = key.split(".")
        state["state"].setdefault(int(index), {})[name] = value
    optimizer.load_state_dict(state)
    best = saved.meta["validation_si_sdri"]
    return saved.meta["step"], float("-inf") if best is None else best
