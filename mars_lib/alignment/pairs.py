"""Pairs for contrastive learning (Section 3.3.1): an anchor clip, its positives and negatives."""

from dataclasses import dataclass

import torch

from mars_lib.alignment.features import TrunkFeatures
from mars_lib.check import fail
from mars_lib.data import random_streams
from mars_lib.training.query_bank import elsewhere


@dataclass(frozen=True)
class Pairs:
    """One batch of trunk features (B, width), one class a row.

    Attributes:
        labels: (B,), places in the class list.
        audio: the anchor, a clip of the class.
        other: a clip of the class from another recording; beside a hard negative it has a little of
            another class in it.
        wrong_audio: a clip of another class, or a hard negative: the clip of `other` with much of
            the other class in it.
        text: a prompt of the class.
        image: a picture of the class; empty where none was asked for.
        wrong_image: a picture of another class; empty where none was asked for.
    """

    labels: torch.Tensor
    audio: torch.Tensor
    other: torch.Tensor
    wrong_audio: torch.Tensor
    text: torch.Tensor
    image: torch.Tensor
    wrong_image: torch.Tensor


class PairSampler:
    """Draws `Pairs` from trunk features.

    A batch holds a class once, so that no positive of Eq. 7 counts as a negative. Negatives are of
    other classes; still pictures have no mismatched moments, the paper's second kind. A class with
    one recording has another clip of it as its positive, and one with one clip another variant of
    that.

    Args:
        features: to draw from.
        batch_size: B, classes of a batch.
        seed: of the draws.
        stage: whose batches these are; each stage draws others.
        hard: share of the triplets of sounds whose negative is hard. Ours, not the paper's: anchor,
            cleaner and more contaminated.
        dropout: share of a row's numbers that are zero in a draw, the others larger for it.

    Raises:
        InputError: for fewer than two classes, for a class with one variant of one clip, for a
            batch larger than the number of classes, and for hard negatives where features hold no
            contaminated clips.
    """

    def __init__(
        self,
        features: TrunkFeatures,
        batch_size: int,
        seed: int = 0,
        stage: str = "",
        hard: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        self.features, self.batch_size, self.seed, self.stage = features, batch_size, seed, stage
        self.hard, self.dropout = hard, dropout
        if hard and features.contaminated is None:
            remedy = "make them with contaminated=True"
            fail("hard negatives", "need contaminated clips, which the features lack", remedy)
        self.classes = torch.arange(len(features.names))
        self.pictured = torch.tensor(features.having("image"), dtype=torch.long)
        if len(self.classes) < 2:
            fail("alignment", f"has {len(self.classes)} class", "give two classes or more")
        if not 2 <= batch_size <= len(self.classes):
            remedy = f"give 2 to {len(self.classes)}: a batch has a class once"
            fail("batch size", f"is {batch_size}", remedy)
        for name, rows in zip(features.names, features.audio):
            if rows.shape[0] * rows.shape[1] < 2:
                remedy = "give another clip, or variants=2 or more"
                fail(f"class {name!r}", "has one clip in one variant", remedy)

    def draw(self, step: int, with_image: bool = False) -> Pairs:
        """Draw the batch of one step, a function of seed, stage and step.

        Args:
            step: number of the step.
            with_image: whether to draw pictures too, from the classes that have some alone.

        Raises:
            InputError: where pictures are wanted and fewer than two classes have some.
        """
        f = self.features
        rng = random_streams.generator("alignment pairs", self.seed, self.stage, step)

        def pick(rows: torch.Tensor) -> torch.Tensor:
            return rows[int(torch.randint(len(rows), (1,), generator=rng))]

        places = self.pictured if with_image else self.classes
        if len(places) < 2:
            problem = "has pictures of fewer than two classes"
            fail("third stage", problem, "give class/*.png, or train the first two alone")
        labels = places[torch.randperm(len(places), generator=rng)[: self.batch_size]]
        names = ("audio", "other", "wrong_audio", "text", "image", "wrong_image")
        columns: dict[str, list[torch.Tensor]] = {name: [] for name in names}
        for label in labels.tolist():
            wrong = int(pick(places[places != label]))
            clips = f.audio[label]
            order = torch.randperm(len(clips), generator=rng).tolist()
            others = elsewhere(f.recordings_of(label), order[0])
            variants = torch.randperm(clips.shape[1], generator=rng)
            columns["audio"].append(clips[order[0], variants[0]])
            # With a single clip both are that clip, in two variants.
            other = next((i for i in order if i in others), order[0])
            columns["other"].append(clips[other, variants[1 % clips.shape[1]]])
            columns["wrong_audio"].append(pick(f.audio[wrong].flatten(0, 1)))
            if f.contaminated and self.hard and torch.rand((), generator=rng).item() < self.hard:
                columns["other"][-1], columns["wrong_audio"][-1] = f.contaminated[label][other]
            columns["text"].append(pick(f.text[label]))
            if with_image:
                columns["image"].append(pick(f.image[label]))
                columns["wrong_image"].append(pick(f.image[wrong]))
        empty = torch.zeros(0)
        stacked = {k: torch.stack(rows) if rows else empty for k, rows in columns.items()}
        if self.dropout:
            for name, rows in stacked.items():
                kept = torch.rand(rows.shape, generator=rng) >= self.dropout
                stacked[name] = rows * kept / (1 - self.dropout)
        return Pairs(labels, **stacked)
