"""Options of a command are the fields of its configuration: names, helps and defaults agree."""

from dataclasses import dataclass, field, fields, replace

import click
import pytest
import typer
from typer.testing import CliRunner

from mars_lib.cli import app, config_options
from mars_lib.cli.config_options import changed, options_of, with_options_of
from mars_lib.config import PolicyConfig
from mars_lib.training.rl_config import PRESETS, RLConfig

# Fields of a run that are no option: whoever adds a field decides what it is.
NO_OPTION = {
    "policy",
    "weight_decay",
    "gradient_clip",
    "augment",
    "patience",
    "kappa_end",
    "kappa_schedule",
    "reduction",
    "antithetic",
    "baseline_decay",
    "lag",
}
# The names that scripts and notebooks use.
NAMES = {
    "estimator": "--estimator",
    "reward": "--reward",
    "signal_weight": "--signal-weight",
    "anchor": "--anchor",
    "steps": "--steps",
    "batch_size": "--batch-size",
    "accumulate": "--accumulate",
    "learning_rate": "--learning-rate",
    "clips_per_class": "--clips",
    "queries_per_class": "--queries-per-class",
    "validate_every": "--validate-every",
    "validation_mixtures": "--validation-mixtures",
    "precision": "--precision",
    "seed": "--seed",
    "kappa": "--kappa",
    "clip_range": "--clip-range",
    "ratio": "--ratio",
    "entropy_coefficient": "--entropy",
    "kl_coefficient": "--kl",
    "group_size": "--group-size",
    "reward_windows": "--reward-windows",
    "credit": "--credit",
    "patch": "--patch",
}


def train_rl_options() -> dict[str, click.Option]:
    group = typer.main.get_command(app.app).commands["train"]
    return {parameter.name: parameter for parameter in group.commands["rl"].params}


def test_every_field_of_a_run_is_an_option_or_is_meant_to_be_none():
    known = {each.name for kind in (RLConfig, PolicyConfig) for each in fields(kind)}
    found = options_of(PRESETS)
    assert {name: each.option for name, each in found.items()} == NAMES
    assert known - found.keys() == NO_OPTION
    command = train_rl_options()
    assert all(command[name].opts == [option] for name, option in NAMES.items())


def test_help_and_default_of_an_option_are_those_of_its_field():
    command = train_rl_options()
    for kind in (RLConfig, PolicyConfig):
        for each in fields(kind):
            if "help" not in each.metadata:
                continue
            parameter, says = command[each.name], command[each.name].help
            assert parameter.default is None and parameter.required is False
            assert says.startswith(each.metadata["help"] + " Default: ")
            for config in PRESETS.values():
                value = getattr(config if kind is RLConfig else config.policy, each.name)
                written = f"{value:g}" if isinstance(value, float) else str(value)
                assert written in says.removeprefix(each.metadata["help"])


def test_what_is_not_given_stays_the_presets():
    for preset in PRESETS.values():
        assert changed(preset, {}) == preset
    found = changed(PRESETS["recipe"], {"kappa": 3.0, "steps": 7, "kl_coefficient": 0.0})
    policy = replace(PRESETS["recipe"].policy, kappa=3.0, kappa_end=3.0, kl_coefficient=0.0)
    assert found == replace(PRESETS["recipe"], steps=7, policy=policy)


@dataclass(frozen=True)
class Tone:
    pitch: float = field(default=440.0, metadata={"help": "In Hz.", "option": "--hz"})
    silent: bool = False


@dataclass(frozen=True)
class Chord:
    tone: Tone = field(default_factory=Tone)
    count: int = field(default=3, metadata={"help": "Of tones."})


def test_a_command_gets_what_was_given_alone():
    got = {}
    play = typer.Typer()

    @play.command()
    @with_options_of({"major": Chord(), "minor": Chord(count=4)})
    def chord(loud: bool = False, **given):
        got.update(loud=loud, given=given)

    runner = CliRunner()
    assert runner.invoke(play, ["--hz", "220"]).exit_code == 0
    assert got == {"loud": False, "given": {"pitch": 220.0}}
    assert runner.invoke(play, ["--loud", "--count", "2"]).exit_code == 0
    assert got == {"loud": True, "given": {"count": 2}}
    assert runner.invoke(play, ["--count", "two"]).exit_code == 2
    found = options_of({"major": Chord(), "minor": Chord(count=4)})
    assert found["count"].help == "Of tones. Default: 3, 4 for minor."


def test_a_command_without_room_and_a_field_of_another_type_are_refused():
    with pytest.raises(TypeError, match="has no \\*\\*"):
        with_options_of({"major": Chord()})(lambda loud: None)

    @dataclass(frozen=True)
    class Odd:
        pair: tuple = field(default=(1, 2), metadata={"help": "Two."})

    with pytest.raises(TypeError, match="no option can be made"):
        config_options.options_of({"odd": Odd()})
