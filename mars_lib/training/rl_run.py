"""What a run of reinforcement learning must remember beside network, optimiser and step."""

import copy
from collections import deque
from pathlib import Path
from typing import Any

import torch

from mars_lib.advantage import MovingBaseline
from mars_lib.config import Config
from mars_lib.io import checkpoint
from mars_lib.policy import kappa_at
from mars_lib.separator import Separator
from mars_lib.training import distributed
from mars_lib.training.distributed import Fabric
from mars_lib.training.rl_config import RLConfig
from mars_lib.training.schedule import learning_rate
from mars_lib.training.state import Run, Weights, on_device


class RLRun(Run):
    """A run of `mars train rl`; its best is the validation's reward.

    Beside what every run has, it holds the weights of the policies that sampled (theta_{t-1} and
    older) and the moving baseline.
    """

    kind = "separator"
    network: Separator

    def __init__(
        self,
        fabric: Fabric,
        config: Config,
        rl: RLConfig,
        identity: dict,
        network: Separator,
        optimizer: torch.optim.Optimizer,
        folder: Path,
    ):
        super().__init__(fabric, config, identity, network, optimizer, folder, rl.steps)
        self.rl = rl
        self.old = copy.deepcopy(network).requires_grad_(False)
        self.past: deque[Weights] = deque(maxlen=max(1, rl.policy.lag))
        self.baseline = MovingBaseline(rl.policy.baseline_decay)
        if rl.estimator == "score":
            self.copies = Run.copies + 1 + rl.policy.lag

    @classmethod
    def start_or_resume(
        cls,
        fabric: Fabric,
        start: Separator,
        rl: RLConfig,
        ours: dict,
        folder: Path,
        resume: bool,
    ) -> "RLRun":
        """The run of `folder`, whose identity is `ours`, at its `start` or where it stopped."""
        separator = on_device(start, fabric.device).eval()
        optimizer = torch.optim.AdamW(
            separator.parameters(),
            rl.learning_rate,
            weight_decay=rl.weight_decay,
            fused=distributed.fuses(fabric),
        )
        run = cls(fabric, start.config, rl, ours, separator, optimizer, folder)
        run.set_up(resume)
        return run

    @property
    def options(self) -> RLConfig:
        return self.rl

    @property
    def learning_rate(self) -> float:
        """A warm-up over a tenth of the steps, 50 at most, and a linear fall to a tenth."""
        warmup = min(50, self.steps // 10)
        return learning_rate(self.step + 1, self.rl.learning_rate, warmup, self.steps)

    @property
    def out_of_patience(self) -> bool:
        """Whether `rl.patience` validations in a row brought no better reward."""
        return self.waited >= self.rl.patience

    @property
    def finished(self) -> bool:
        return self.step >= self.steps or self.out_of_patience

    def kappa(self, step: int) -> float:
        """The policy's concentration at one step."""
        policy = self.rl.policy
        return kappa_at(step, self.steps, policy.kappa, policy.kappa_end, policy.kappa_schedule)

    def old_policy(self) -> Separator:
        """theta_{t - lag}; with lag 0 the present weights, which makes every ratio 1.

        Nothing but the estimator "score" samples from it: for others its weights stay the start's.
        """
        if self.rl.estimator == "score":
            late = self.past[0] if self.past and self.rl.policy.lag else self.network.state_dict()
            self.old.load_state_dict(late)
        return self.old

    def remember(self) -> None:
        """Keep theta_t, before the optimiser moves it."""
        if self.rl.estimator == "score":
            self.past.append({k: v.detach().clone() for k, v in self.network.state_dict().items()})

    def _meta(self) -> dict[str, Any]:
        return {
            "rl": self.rl.to_dict(),
            "best": self.best,
            "waited": self.waited,
            "baseline": None if self.baseline.value is None else float(self.baseline.value),
        }

    def _beside(self, name: str) -> Weights:
        past = {f"past.{i}.{k}": v for i, old in enumerate(self.past) for k, v in old.items()}
        return super()._beside(name) | (past if name == "last" else {})

    def restore(self, saved: checkpoint.Checkpoint) -> None:
        super().restore(saved)
        device = next(self.network.parameters()).device
        for i in range(max(1, self.rl.policy.lag)):
            weights = saved.part(f"past.{i}")
            if weights:
                self.past.append({k: v.to(device) for k, v in weights.items()})
        self.best, self.waited = saved.meta["best"], saved.meta["waited"]
        value = saved.meta["baseline"]
        self.baseline.value = None if value is None else torch.tensor(value, device=device)
