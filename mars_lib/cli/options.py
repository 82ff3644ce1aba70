"""Checks of what a command was given, before any work: none loads a network or a data set."""

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from mars_lib.check import fail
from mars_lib.cli.config_options import option_name
from mars_lib.config import Config, PolicyConfig
from mars_lib.inference.pretrained import PACKAGED
from mars_lib.io.devices import choose_device
from mars_lib.io.paths import output_folder
from mars_lib.training.rl_config import READS, RLConfig

# What `torchrun` tells its processes beside WORLD_SIZE.
TORCHRUN = ("RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def unread(options: dict[str, object], reason: str, remedy: str) -> None:
    """Raise `InputError` that names the options that a run would not read.

    Args:
        options: values by the options' names, None where not given.
        reason: why they would not be read.
        remedy: what to do instead of leaving them out.
    """
    names = [name for name, value in options.items() if value is not None]
    if names:
        fail(" and ".join(names), f"would not be read: {reason}", f"leave it out, or {remedy}")


def one_source(folder: Path | None, csv: Path | None, soundfont: list[Path] | None = None) -> None:
    """Raise `InputError` for two data sets at once, and a folder or soundfont that is not there."""
    if folder is not None and csv is not None:
        fail("--folder and --csv", "are two data sets", "give one of them")
    if soundfont and (folder or csv):
        unread(
            {"--soundfont": soundfont}, "the sounds are your own", "leave out --folder and --csv"
        )
    if folder is not None and not folder.is_dir():
        fail(str(folder), "is no folder", "give class/*.wav for at least two classes")
    for path in soundfont or ():
        if not path.is_file():
            fail(f"soundfont {path}", "is not there", "give the path of a .sf2 file")


def input_file(path: Path) -> None:
    """Raise `InputError` for a list that is not there."""
    if not path.is_file():
        fail(
            str(path), "is not there", "`mars data prepare-music` and `prepare-vggsound` make CSVs"
        )


def processes() -> None:
    """Raise `InputError` for a WORLD_SIZE that `torchrun` did not set.

    Where one is left over, a run would wait for processes that nobody starts.
    """
    given = os.environ.get("WORLD_SIZE")
    if given is None or given == "1":
        return
    lacking = [name for name in TORCHRUN if name not in os.environ]
    numbers = [given, *(os.environ.get(name, "0") for name in TORCHRUN[:3])]
    if not all(number.isdecimal() for number in numbers) or given == "0":
        fail(
            "WORLD_SIZE",
            f"is {given!r} in the environment, not as torchrun sets it",
            "unset it, or start with torchrun",
        )
    if lacking:
        problem = f"is {given} in the environment, without {', '.join(lacking)}"
        fail("WORLD_SIZE", problem, "unset it, or start with torchrun")


def start_of_training(
    device: str,
    out: Path,
    folder: Path | None = None,
    csv: Path | None = None,
    soundfont: list[Path] | None = None,
    option: str = "--out",
) -> str:
    """Check what every training is given, before anything is loaded.

    Returns:
        The device: cpu, cuda, cuda:N or mps.
    """
    processes()
    device = choose_device(device)
    output_folder(out, option)
    one_source(folder, csv, soundfont)
    if csv is not None:
        input_file(csv / "train.csv")
    return device


def check_read(
    config: RLConfig, policy: Mapping[str, object], anchor: float | None, heads: str | None
) -> None:
    """Raise `InputError` for an option that this run's estimator or reward does not read.

    Args:
        config: of the run.
        policy: values that were given for fields of a `PolicyConfig`, by the names of the fields.
        anchor, heads: as given.
    """
    for field in fields(PolicyConfig):
        readers = [name for name, names in READS.items() if field.name in names]
        if "help" in field.metadata and config.estimator not in readers:
            unread(
                {option_name(field): policy.get(field.name)},
                f"the estimator is {config.estimator}",
                f"give --estimator {' or '.join(readers)}",
            )
    if anchor == 0 and config.estimator == "supervised":
        unread(
            {"--anchor": anchor},
            "the supervised loss is all that there is",
            "give another --estimator",
        )
    if config.reward == "signal" and heads != "none":
        unread({"--heads": heads}, "--reward signal has no encoder", "give another --reward")


def check_start(start: Config, config: RLConfig, heads: str | None) -> None:
    """Raise `InputError` for patches larger than the start's masks, for more windows than frames
    of patches, and for heads that are nowhere.
    """
    masks = (start.signal.n_bins, start.signal.n_frames)
    if config.policy.patch > min(masks):
        fail(
            "patch",
            f"is {config.policy.patch}, and the masks are {masks[0]} x {masks[1]}",
            f"give {min(masks)} or less",
        )
    frames = -(-masks[1] // config.policy.patch)
    if config.policy.reward_windows > frames:
        problem = f"are {config.policy.reward_windows}, and an action has {frames} frames"
        fail("reward windows", problem, f"give {frames} or fewer")
    known = ("none", "stage3", "one-stage") if start.encoder in PACKAGED else ("none",)
    if heads is not None and heads not in known and not Path(heads).is_file():
        fail(
            f"heads {heads}",
            "are not there",
            f"give {', '.join(known)}, or a file that `mars align` wrote",
        )
