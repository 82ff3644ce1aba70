"""Pairs for contrastive learning (Section 3.3.1): a clip as the anchor, its positives and
negatives.
"""

from dataclasses import dataclass

import torch

from mars_lib.alignment.features import TrunkFeatures
from mars_lib.check import fail
from mars_lib.data import random_streams
from mars_lib.training.query_bank import elsewhere


@dataclass(frozen=True)
class Pairs:
    """One batch of trunk features (B, F), one class a row.

    `audio` is the anchor, `other` a clip of its class from another recording, `text` its label,
    `image` a picture of it; `wrong_audio` and `wrong_image` are of another class. `labels` (B,) are
    places in the class list.
    """

    labels: torch.Tensor
    audio: torch.Tensor
    other: torch.Tensor
    wrong_audio: torch.Tensor
    text: torch.Tensor
    image: torch.Tensor
    wrong_image: torch.Tensor


class PairSampler:
    """Draws `Pairs` from trunk features of a training split.

    A batch holds a class once, so that no positive of Eq. 7 counts as a negative. Negatives are of
    other classes; pictures that are still have no mismatched moments, the paper's second kind. A
    class with one recording has another clip of it as its positive, and one with one clip another
    take of that. `stage` names whose batches these are: each draws others. Raises `InputError` for
    fewer than two classes, for a class with one take of one clip, and for a batch larger than the
    number of classes.
    """

    def __init__(self, features: TrunkFeatures, batch_size: int, seed: int = 0, stage: str = ""):
        self.features, self.batch_size, self.seed, self.stage = features, batch_size, seed, stage
        self.classes = torch.arange(len(features.names))
        self.pictured = torch.tensor(features.having("image"), dtype=torch.long)
        if len(self.classes) < 2:
            fail("alignment", f"has {len(self.classes)} class", "give two classes or more")
        if not 2 <= batch_size <= len(self.classes):
            fail(
                "batch size",
                f"is {batch_size}",
                f"give 2 to {len(self.classes)}: a batch has a class once",
            )
        for name, rows in zip(features.names, features.audio):
            if rows.shape[0] * rows.shape[1] < 2:
                fail(
                    f"class {name!r}",
                    "has one clip in one take",
                    "give another clip, or variants=2 or more",
                )

    def draw(self, step: int, with_image: bool = False) -> Pairs:
        """The batch of one step, a function of the seed and the step; `with_image`: of classes that
        have pictures only.
        """
        f = self.features
        rng = random_streams.generator("alignment pairs", self.seed, self.stage, step)

        def pick(rows: torch.Tensor) -> torch.Tensor:
            return rows[int(torch.randint(len(rows), (1,), generator=rng))]

        places = self.pictured if with_image else self.classes
        if len(places) < 2:
            fail(
                "third stage",
                "has pictures of fewer than two classes",
                "give class/*.png, or train the first two alone",
            )
        labels = places[torch.randperm(len(places), generator=rng)[: self.batch_size]]
        columns: dict[str, list] = {
            k: [] for k in ("audio", "other", "wrong_audio", "text", "image", "wrong_image")
        }
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
            columns["text"].append(pick(f.text[label]))
            if with_image:
                columns["image"].append(pick(f.image[label]))
                columns["wrong_image"].append(pick(f.image[wrong]))
        empty = torch.zeros(0)
        return Pairs(
            labels, **{k: torch.stack(rows) if rows else empty for k, rows in columns.items()}
        )
