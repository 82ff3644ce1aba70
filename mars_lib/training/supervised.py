"""Supervised training: the loop around a method's loss, with validation, checkpoints and resume."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mars_lib import config as configs
from mars_lib.check import fail
from mars_lib.config import Config, TrainingConfig
from mars_lib.data.loader import mixtures, workers_for
from mars_lib.data.mixtures import MixtureBatch, MixtureStream
from mars_lib.data.music import Music
from mars_lib.encoders.base import Encoder
from mars_lib.io import checkpoint
from mars_lib.query import query_mixup
from mars_lib.training import distributed
from mars_lib.training.distributed import Fabric
from mars_lib.training.loop import loop_of
from mars_lib.training.method import OMNISEP, Method
from mars_lib.training.optimisation import backward, clip_and_step, explained_divergence, read
from mars_lib.training.query_bank import MODALITIES, QueryBank, draw_queries
from mars_lib.training.run_folder import claimed, digest, digest_of_encoder, identity
from mars_lib.training.schedule import learning_rate
from mars_lib.training.state import Run, on_device, placed
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
    start: str | Path | None = None,
    workers: int | None = None,
) -> Path:
    """OmniSep's recipe (Section 3.1.2, Appendix B): WBCE, mixed queries, Adam, warm-up, clipping.

    Writes into `folder`: `last` at every validation and on Ctrl-C or SIGTERM, which wait for the
    end of their step; `best` at the best validation SI-SDRi; `metrics.csv` and TensorBoard files.
    With `resume` it goes on from `last`, on one CPU bit for bit: data and queries are functions of
    the step. A run that has ended is returned as it is. Under `torchrun` each process trains on its
    part of every batch, the first one writes.

    Args:
        encoder: embeds the queries; frozen.
        method: another network, loss and way to query than OmniSep's.
        start: the checkpoint whose weights are gone on with; None for random ones.
        workers: processes that read clips, 0 for a thread; by default none on a CPU. What a step
            sees does not depend on it.

    Returns the path of the best checkpoint.

    Raises:
        InputError: for a start that does not fit; for a folder that holds another run, a run
            neither to be resumed nor overwritten, or one that another process trains in; for a
            batch that cannot be cut into equal parts, a full device, lost processes.
        FloatingPointError: when a loss or gradient is no longer finite; `last` is kept.
    """
    t, folder = config.training, Path(folder)
    fabric = distributed.make_fabric(accelerator, t.precision)
    workers = workers_for(fabric.device, workers)
    distributed.check_batch("batch size", t.batch_size, t.accumulate)
    begun = None if start is None else starting_weights(start, config, method)
    with claimed(folder, resume=resume, overwrite=overwrite):
        ours = identity(
            kind=method.kind,
            options=configs.to_dict(config),
            data=music.fingerprint(),
            encoder=digest_of_encoder(encoder),
            **({} if begun is None else {"start": digest(begun.part("separator"))}),
        )
        run = SupervisedRun.start_or_resume(fabric, config, method, ours, folder, resume, begun)
        if not run.finished:
            _train(run, music, encoder, workers, progress and distributed.first())
    return folder / "best.safetensors"


def _train(
    run: "SupervisedRun", music: Music, encoder: Encoder, workers: int, progress: bool
) -> None:
    """The steps that are left of a run."""
    data = supervised_data(run, music, placed(encoder, run.fabric.device), progress)
    with loop_of(run, COLUMNS, "training", progress) as loop:
        for step, batch, query in data.batches(run.step, run.steps, workers):
            with explained_divergence(step, run.folder):
                row = optimiser_step(run, batch, query)
                if run.due_validation:
                    row |= data.validate(run)
                    run.validated(row["validation_si_sdri"])
            loop.record(step, row, loss=row["loss"], val_si_sdri=run.best)


class SupervisedRun(Run):
    """A run of `mars train supervised`; its best is the validation's SI-SDRi in dB."""

    method: Method

    @classmethod
    def start_or_resume(
        cls,
        fabric: Fabric,
        config: Config,
        method: Method,
        ours: dict,
        folder: Path,
        resume: bool,
        begun: checkpoint.Checkpoint | None = None,
    ) -> "SupervisedRun":
        """The run of `folder`, whose identity is `ours`, at its start or where it stopped."""
        t = config.training
        torch.manual_seed(t.seed)
        network = method.build(config)
        if begun is not None:
            checkpoint.restore(network, begun.part("separator"), "start")
        # On its device before the optimiser is, whose state goes where the parameters are.
        network = on_device(network, fabric.device)
        distributed.share_batch_norm(network)
        optimizer = torch.optim.Adam(
            network.parameters(), t.learning_rate, fused=distributed.fuses(fabric)
        )
        run = cls(fabric, config, ours, network, optimizer, folder, t.steps)
        run.method, run.kind = method, method.kind
        run.set_up(resume)
        return run

    @property
    def options(self) -> TrainingConfig:
        return self.config.training

    @property
    def learning_rate(self) -> float:
        """A warm-up and a linear fall, as `TrainingConfig` has them."""
        t = self.options
        return learning_rate(self.step, t.learning_rate, t.warmup_steps, t.decay_steps)

    def _meta(self) -> dict[str, Any]:
        return {"validation_si_sdri": self.best}

    def restore(self, saved: checkpoint.Checkpoint) -> None:
        super().restore(saved)
        self.best = saved.meta["validation_si_sdri"]


def starting_weights(start: str | Path, config: Config, method: Method) -> checkpoint.Checkpoint:
    """The checkpoint that a training begins with.

    Raises `InputError` where its network, signal or encoder is not that of the configuration.
    """
    begun = checkpoint.load(start, method.kind)
    theirs = configs.from_dict(begun.meta["config"], f"checkpoint {start}")
    for name in ("encoder", "signal", "separator"):
        if getattr(theirs, name) != getattr(config, name):
            problem = f"was trained with another {name} than the run has"
            fail(f"checkpoint {start}", problem, "give the profile and encoder that fit it")
    return begun


def optimiser_step(
    run: SupervisedRun, batch: MixtureBatch, query: torch.Tensor
) -> dict[str, float]:
    """One step of the method's loss, in `accumulate` passes; its row of the log."""
    # A pass holds every count-th mixture: the same ones, however many processes share a step.
    count = run.options.accumulate
    parts = [(batch[i::count], query[i::count]) for i in range(count)]
    stats = backward(run, parts, lambda part: (run.method.loss(run.wrapped, *part), {}))
    return read(run, stats | clip_and_step(run))


@dataclass(frozen=True)
class SupervisedData:
    """Mixtures, their queries, and the validation set of a run."""

    stream: MixtureStream
    encoder: Encoder
    bank: QueryBank
    method: Method
    validation: Validation
    device: torch.device

    def batches(
        self, first: int, last: int, workers: int = 0
    ) -> Iterator[tuple[int, MixtureBatch, torch.Tensor]]:
        """(step, mixtures, queries (B, N, D)) of the steps from `first` to `last` - 1."""
        share = distributed.share()
        for step, batch in mixtures(self.stream, first, last, self.device, share, workers):
            yield step, batch, self.query(batch, step)

    @torch.no_grad()
    def query(self, batch: MixtureBatch, step: int) -> torch.Tensor:
        """Query-Mixup (Eq. 1) of one example a modality for every source: (B, N, D)."""
        t = self.stream.training
        rows, weights = draw_queries(self.bank, batch.labels, t.seed, step, self.method.weights)
        embeddings = self.bank.embeddings(rows)
        if t.query_own_recording:
            own = self.encoder.embed_audio(batch.references.flatten(0, 1))
            embeddings[:, :, MODALITIES.index("audio")] = own.reshape(embeddings[:, :, 0].shape)
        return query_mixup(embeddings, weights)

    def validate(self, run: SupervisedRun) -> dict[str, float]:
        """SI-SDRi in dB on the validation set, over all processes."""
        estimates = self.validation.estimates(run.network, self.method.separate)
        row = {"validation_si_sdri": self.validation.improvement(estimates)}
        return {name: float(value) for name, value in distributed.mean(row).items()}


def supervised_data(
    run: SupervisedRun, music: Music, encoder: Encoder, progress: bool
) -> SupervisedData:
    """What a run trains on; the examples of the queries are embedded here, once."""
    t, device = run.options, run.fabric.device
    stream = MixtureStream(music, "train", t)
    bank = QueryBank.embed(
        encoder,
        stream.music,
        stream.classes,
        "train",
        t.queries_per_class,
        t.seed,
        device,
        progress,
        augment=t.augment,
    )
    validation = Validation.make(t, music, encoder)
    return SupervisedData(stream, encoder, bank, run.method, validation, device)
