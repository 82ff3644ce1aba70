"""The numbers of `mars benchmark`, and the file that keeps them."""

from dataclasses import dataclass, fields

from mars_lib.evaluation.scoring import MetricSummary
from mars_lib.evaluation.statistics import Summary

# Summaries by mode and system (`score_summary.summarise`).
Summaries = dict[str, dict[str, dict]]

# Names in `data/results.json` where they are not those of the fields.
NAMES_IN_FILE = {
    "judge_on_sources": "judge on sources",
    "one_family": "one family",
    "target_only": "target-only",
    "reward_encoders": "ears",
}
# The two comparisons of `reward_encoders`, as the file names them: what differences are from.
AGAINST_SUPERVISED, AGAINST_SIGNAL = "against supervised", "against SI-SDR"


@dataclass(frozen=True)
class Results:
    """All numbers of one benchmark.

    Attributes:
        systems: "SYSTEM-SEED" of every checkpoint.
        missing: "SYSTEM-SEED" of the checkpoints that `reward_encoders` lacks.
        steps: training steps of each system.
        clap: checkpoint and prompt of the CLAP score; None without one.
        splits: all mixtures by split, in the paper's protocol.
        judge_on_sources: share of the sources that the held-out classifier names, by split.
        one_family: the mixtures whose sources are of one family (Table 5), by split.
        target_only: the protocol of OmniSep's code, by split.
        probe: Table 3, by split and heads.
        reward_encoders: Tables 4 and 6 by `AGAINST_SUPERVISED` and `AGAINST_SIGNAL`; None where no
            seed has all of the checkpoints.
        robustness: summaries of SI-SDRi by curve, place on its axis and system.
    """

    systems: list[str]
    missing: list[str]
    steps: int
    clap: dict[str, str] | None
    splits: dict[str, Summaries]
    judge_on_sources: dict[str, float]
    one_family: dict[str, Summaries]
    target_only: dict[str, Summaries]
    probe: dict[str, dict[str, Summary]]
    reward_encoders: dict[str, Summaries] | None
    robustness: dict[str, dict[str, dict[str, MetricSummary]]]

    def to_json(self) -> dict:
        """What `data/results.json` holds."""
        names = (field.name for field in fields(self))
        return {NAMES_IN_FILE.get(name, name): getattr(self, name) for name in names}

    @classmethod
    def from_json(cls, found: dict) -> "Results":
        """The results that `to_json` made `found` of."""
        names = (field.name for field in fields(cls))
        return cls(**{name: found[NAMES_IN_FILE.get(name, name)] for name in names})
