"""Published models of `transformers`, from a folder that the user has.

A model is read whole, or refused with what is wrong and how to mend it. Only this file imports
`transformers`.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError

from mars_lib.check import fail


@dataclass(frozen=True)
class Published:
    """A published model.

    Attributes:
        name: for people.
        model_type: as its config.json says.
        classes: of `transformers`, the model's first, then its extractors and tokenisers.
        extra: of this package, which installs what they need.
        source: where it is on the hub.
    """

    name: str
    model_type: str
    classes: tuple[str, ...]
    extra: str
    source: str


def load(folder: str | Path, wanted: Published) -> list:
    """Load one object for each of `wanted.classes`, in their order.

    Reads safetensors only and downloads nothing.

    Args:
        folder: holds config.json, weights and what tokenisers need.
        wanted: the model that it should hold.

    Returns:
        The model in float32 on the CPU, then its extractors and tokenisers.

    Raises:
        InputError: for a folder that is not there, is not whole or holds another model, and where
            `transformers` is not installed or too old.
    """
    folder, fetch = (
        Path(folder),
        f"fetch them with `hf download {wanted.source} --local-dir FOLDER`",
    )
    try:
        import transformers

        model_class, *others = (getattr(transformers, name) for name in wanted.classes)
    except (ImportError, AttributeError) as error:
        fail(
            "package transformers",
            f"is not installed or too old for {wanted.name} ({error})",
            f"pip install 'mars-lib[{wanted.extra}]'",
        )
    if not (folder / "config.json").is_file():
        fail(f"weights {folder}", "are not there (no config.json)", fetch)
    try:
        config, _ = transformers.PreTrainedConfig.get_config_dict(folder, local_files_only=True)
        kind = config.get("model_type")
        if kind == wanted.model_type:
            model, found = model_class.from_pretrained(
                folder,
                dtype=torch.float32,
                use_safetensors=True,
                output_loading_info=True,
                local_files_only=True,
            )
            parts = [each.from_pretrained(folder, local_files_only=True) for each in others]
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        fail(f"weights {folder}", f"are incomplete or damaged ({error})", fetch)
    if kind != wanted.model_type:
        fail(f"weights {folder}", f"are of the model {kind}, not of {wanted.name}", fetch)
    # What is missing would be random numbers, and nothing but a log line would say so.
    missing = [*found["missing_keys"], *found["mismatched_keys"]]
    if missing:
        fail(f"weights {folder}", f"lack {len(missing)} tensors, as {missing[0]}", fetch)
    return [model, *parts]
