"""What the notebooks' prose says of numbers, held to the numbers that stand beside it.

A claim is a piece of the prose as it stands there, and a question to the saved outputs. Prose that
is rewritten and outputs that say something else both fail here.
"""

import json
import re
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?")


class Saved:
    """The prose and the printed outputs of a notebook."""

    def __init__(self, number: str) -> None:
        (path,) = NOTEBOOKS.glob(f"{number}_*.ipynb")
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        texts = ["".join(c["source"]) for c in cells if c["cell_type"] == "markdown"]
        self.prose = " ".join(" ".join(texts).split())
        printed = [o.get("text", "") for c in cells for o in c.get("outputs", [])]
        self.lines = "".join("".join(text) for text in printed).splitlines()

    def row(self, label: str, which: int = 0) -> list[float]:
        """The numbers after a label in the line of the outputs that begins with it."""
        found = [line for line in self.lines if line.strip().startswith(label)]
        rest = found[which].strip().removeprefix(label)
        return [float(each.replace(",", "")) for each in NUMBER.findall(rest)]


saved = cache(Saved)


def four_queries(s):
    return s.row("you guessed 4.0 times; here it is")[0] < 2.5


def negative_is_no_cure(s):
    better, of = s.row("the negative query is better in")
    word, negative = s.row("mean of 10 clips: violin")
    return 0 < better < of and abs(negative - word) < 1


def all_pictures(s):
    return s.row("the least of the six gains:")[0] > 5


def inside_out(s):
    return s.row("mixture's phase")[0] > 20 and s.row("random phase")[0] < 0


def student(s):
    after = [s.row(f"after {step:3} steps: loss") for step in (0, 50, 100, 150)]
    falls = all(later[0] < sooner[0] for sooner, later in pairwise(after))
    pretrained = s.row("pretrained, on the same mixtures: SI-SDRi")[0]
    return falls and after[1][1] < 1 < after[2][1] and pretrained / 2 < after[3][1] < pretrained


def hedging(s):
    separator = s.row("the separator")[0]
    return s.row("the ideal itself")[0] < separator < s.row("0.5 everywhere")[0]


def polite(s):
    right, polite = s.row("at the end: mean pi(T)")[1], s.row("you guessed 0 %, it is")[0]
    return right == 0 and polite > 20 and s.row("with a moving baseline")[0] < 5


def variance(s):
    (mean, spread), (same, small) = (s.row(f"b = {b:4.1f}: mean of the terms") for b in (0.0, 10.0))
    return 80 < (spread / small) ** 2 < 125 and mean == same


def clipped(s):
    return s.row("nothing clipped:")[0] > 10 > 1 > s.row("clipped at 0.2:")[0]


def probes(s):
    true = [s.row("true rewards: largest error of a bin", i)[0] for i in (0, 1)]
    others = [
        s.row(f"{name}: largest error of a bin", i)[0]
        for name in ("frozen      ", "shuffled    ")
        for i in (0, 1)
    ]
    return max(true) < 0.1 and min(others) >= 0.5


def wandered(s):
    return all(
        s.row("shuffled    : largest error of a bin", i)[0]
        > s.row("frozen      : largest error of a bin", i)[0]
        for i in (0, 1)
    )


def kappas(s):
    distance, heard = zip(*(s.row(f"kappa {kappa:<3} rms distance from P") for kappa in (1, 9, 99)))
    return sorted(distance) == [*distance][::-1] and sorted(heard) == [*heard]


def joint(s):
    small, large = s.row("joint:   log-ratio", 0), s.row("joint:   log-ratio", 1)
    inside = s.row("P moved by 0.01  per bin: log-ratio")[2]
    return inside > 95 and 0.5 < small[1] < 2 and large[1] < 1e-6


def credited(s):
    for_all, each = (
        s.row(f"an advantage for {name}: cosine of two groups")[0]
        for name in ("the whole mask", "each patch")
    )
    return abs(for_all) < 0.2 and each > 0.5


def slopes(s):
    surrogate = s.row("surrogate at r = 1, A = 1  slope by P, rms over the bins:")[0]
    return surrogate > s.row("bonus, mean                slope by P, rms over the bins:")[0] > 0


def hacked(s):
    rows = [s.row(name, i) for name in ("text alone", "untrained MLBP", "MLBP  ") for i in (0, 1)]
    return all(reward > 0 > signal for reward, signal in rows)


def trained_fusion(s):
    text, untrained, trained = (
        [s.row(name, i) for i in (0, 1)] for name in ("text alone", "untrained MLBP", "MLBP  ")
    )
    most = all(trained[i][0] > max(text[i][0], untrained[i][0]) for i in (0, 1))
    return most and all(row[1] < 0 for way in (text, untrained, trained) for row in way)


def signal_stays(s):
    return all(s.row("MLBP + signal", i)[1] > 0 for i in (0, 1))


def silence(s):
    return all(
        s.row(name)[0] > s.row(name)[1] > 0.2 * s.row(name)[0]
        for name in ("easy: reference", "hard: reference")
    )


def nearer_to_a_wrong_sound(s):
    word, piano = s.row("you guessed the word, it is the piano:")
    return word < piano


def stages(s):
    before, one, two, three, at_once = (
        s.row(name)[0] for name in ("before   ", "stage 1  ", "stage 2  ", "stage 3  ", "one stage")
    )
    return one > 2 * before and one > two > three and at_once > three - 0.01


def pictures(s):
    _, before, after = s.row("best at step", 1)[:3]
    return after > 2 * before


def one_mask(s):
    gained = {
        name: s.row(f"{name:9} after 30 steps: SI-SDRi")[0]
        for name in ("SI-SDR", "MiniBind2", "MiniBind", "shuffled")
    }
    return gained["shuffled"] < 0 < gained["MiniBind"] < gained["MiniBind2"] < gained["SI-SDR"]


def far_larger_than_within(s):
    between, within = s.row("rewards differ by")
    return between > 3 * within


def back_towards_one(s):
    low, high, share = zip(*(s.row(f"after {n} steps: ratio")[-3:] for n in (0, 1, 2, 3)))
    return low[1] < low[3] <= 1 <= high[3] < high[1] and share[0] == 0 < share[3] < share[1]


def a_handful(s):
    before, after = s.row("SI-SDRi  before")
    return abs(after - before) < 0.5


def flat(s):
    return s.row("lag 0") == [0, 0, 0] and min(s.row("lag 1")) > 0


def lost_by_the_bonus(s):
    start = s.row("start       ", 1)  # the first is of the table of Section 5
    bonus, without = s.row("bonus 0.1"), s.row("bonus 0.0")
    near = abs(without[1] - start[1]) < start[1] - bonus[1] and abs(without[2] - start[2]) < 0.3
    return near and bonus[0] > without[0] and bonus[1] < without[1] and bonus[2] < start[2] - 0.3


def no_winner(s):
    return all(
        low <= 0 <= high
        for name in ("score (PPO)", "pathwise   ", "supervised ", "SI-SDR loss")
        for low, high in (s.row(name)[2:4], s.row(name)[6:8])
    )


def paired(s):
    unpaired, pairs = s.row("half width unpaired")
    mean, _, low = s.row("difference")[:3]
    return 1.5 * pairs < unpaired < 2.5 * pairs and low > 0 > mean - unpaired


def overlapping(s):
    return s.row("omnisep  ")[4] > s.row("pathwise ")[3]


def rewarded_noise(s):
    noise = s.row("you guessed 0.10; noise")[2]
    return abs(noise / s.row("a real trumpet")[0] - 1) < 0.1


def not_to_the_classifier(s):
    climbed, real = (
        s.row(f"held-out classifier, {name}: trumpet with")[0]
        for name in ("climbed noise", "real trumpet")
    )
    return climbed < 0.1 < real


def all_rise(s):
    ways = ("text, no anchor", "sound, no anchor", "fused, no anchor", "anchored")
    return all(s.row(f"{name:20}")[1] > s.row(f"{name:20}")[0] for name in ways)


def only_the_anchor(s):
    lost = [s.row(f"{name}, no anchor")[2] for name in ("text", "sound", "fused")]
    return max(lost) < -0.5 and s.row("anchored    ")[2] > -0.2


def one_mixture(s):
    start, text, fused = (
        s.row(f"{name:20} similarity to the word")
        for name in ("start", "text, no anchor", "fused, no anchor")
    )
    return text[0] > start[0] and text[1] < start[1] - 5 and fused[1] > start[1]


def one_cheat_of_three(s):
    gap = {}
    for name in ("text, no anchor", "sound, no anchor", "fused, no anchor", "anchored"):
        first, aligned = s.row(f"{name:30}")
        gap[name] = first - aligned
    return gap.pop("text, no anchor") > 0.02 and max(gap.values()) < 0.01


def one_family_is_harder(s):
    return s.row("sources of one family:")[1] < s.row("sources of two families:")[1]


CLAIMS: list[tuple[str, str, Callable[[Saved], bool]]] = [
    ("00", "Several queries cost far less than as many runs.", four_queries),
    (
        "00",
        "some of the ten clips gain, others lose, and the mean moves little",
        negative_is_no_cure,
    ),
    ("00", "None of them, this time.", all_pictures),
    ("01", "Random phase keeps the pitch and blurs the attack.", inside_out),
    (
        "01",
        "The loss falls from the start; the decibels come later. After 150 steps",
        student,
    ),
    ("01", "Where $W$ is large and $P$ is near 0.5, the network is not sure", hedging),
    ("02", "Nearly all runs prefer T, from rewards alone.", polite),
    ("02", "from one draw has become about 100 times as large", variance),
    ("02", "Clipped, each round moves the policy a little", clipped),
    ("02", "With true rewards PPO arrives; without them it does not.", probes),
    ("02", "With shuffled rewards the mask even wanders away", wandered),
    ("03", "at 99 hardly a difference", kappas),
    ("03", "The sum of their logarithms, the joint log-ratio, does not", joint),
    ("03", "The surrogate's slope is the larger one", slopes),
    ("03", "With one advantage for the whole mask the two groups have next to nothing", credited),
    (
        "04",
        "A sound is more similar to a wrong sound than to the right word",
        nearer_to_a_wrong_sound,
    ),
    ("04", "Every reward went up: that part always works.", hacked),
    ("04", "gained the most reward of the three and lost decibels as they did", trained_fusion),
    ("04", "the signal stays", signal_stays),
    ("04", "Silence gets a good part of the reward of the true source", silence),
    ("05", "Stage 1 more than doubles the difference.", stages),
    ("05", "lower it a little, and one stage does no worse than three", stages),
    ("05", "Stage 3 lifts the columns of pictures", pictures),
    ("06", "The encoders lie between", one_mask),
    ("06", "In the next steps the ratios come back towards 1.", back_towards_one),
    ("06", "Here every interval contains 0", no_winner),
    ("06", "without it they stay near the start", lost_by_the_bonus),
    ("06", "it is noise, and far larger than the spread within a group", far_larger_than_within),
    ("06", "moves the held-out numbers by little", a_handful),
    ("06", "With lag 0 every ratio is 1, every KL is 0, and clipping never acts", flat),
    ("06", "more entropy, less spread", lost_by_the_bonus),
    ("06", "What they **cannot** show: who wins.", no_winner),
    ("07", "Pairing costs nothing, and here it about halves the interval", paired),
    ("07", "The last two intervals overlap widely.", overlapping),
    ("07", "A list without pairs of one family is easier", one_family_is_harder),
    ("08", "The climbed noise gets about the reward of the trumpet above", rewarded_noise),
    ("08", "to you, and to the held-out classifier", not_to_the_classifier),
    ("08", "All four rewards end above their start", all_rise),
    (
        "08",
        "The three runs without an anchor lose decibels; the anchored one keeps them.",
        only_the_anchor,
    ),
    ("08", "The fused run did not lose in this mixture", one_mixture),
    ("08", "the sign finds one cheat of three", one_cheat_of_three),
]


@pytest.mark.parametrize(
    ("number", "claim", "holds"), CLAIMS, ids=[f"{c[0]}-{c[2].__name__}" for c in CLAIMS]
)
def test_the_outputs_say_what_the_prose_says(number, claim, holds):
    notebook = saved(number)
    assert claim in notebook.prose, "the prose has changed: look at its claim anew"
    assert holds(notebook)
