"""The sounds that mini-MUSIC knows: names, synonyms, prompts, and how a soundfont plays them."""

import difflib
import json
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mars_lib.io import assets


@dataclass(frozen=True)
class SoundClass:
    """One class of `data/classes.json`.

    Melodic classes have General MIDI `programs` (from 0) and a `range` of MIDI pitches; percussion
    has `drum_keys` of the General MIDI drum map. `style` names the kind of phrase it plays;
    `described` are prompts beside the names: see `descriptions`.
    """

    name: str
    family: str
    synonyms: tuple[str, ...]
    style: str
    programs: tuple[int, ...] = ()
    range: tuple[int, int] = (0, 127)
    drum_keys: tuple[int, ...] = ()
    described: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """The name of its folder of drawings: `french_horn`."""
        return self.name.replace(" ", "_")

    @property
    def names(self) -> tuple[str, ...]:
        """The name and its synonyms."""
        return (self.name, *self.synonyms)

    @property
    def sounds(self) -> tuple[Path, ...]:
        """None: it is rendered."""
        return ()

    def prompts(self) -> list[str]:
        """Every name in every template, then the descriptions."""
        named = [template.format(name) for name in self.names for template in templates()]
        return [*named, *self.described]


@cache
def _file() -> dict[str, Any]:
    """`data/classes.json`."""
    return json.loads((assets.folder() / "classes.json").read_text(encoding="utf-8"))


@cache
def sound_classes() -> tuple[SoundClass, ...]:
    """All classes, in the order of `data/classes.json`.

    >>> len(sound_classes())
    35
    """
    return tuple(_sound_class(row) for row in _file()["classes"])


def _sound_class(row: dict[str, Any]) -> SoundClass:
    """A row of the file, JSON's lists as tuples."""
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
    return SoundClass(**values)


@cache
def templates() -> tuple[str, ...]:
    """Prompt templates, "{}" standing for a name."""
    return tuple(_file()["templates"])


@cache
def descriptions() -> dict[str, list[str]]:
    """Phrases that ask for each class, by its name: players, kinds, sounds, names in German,
    Spanish, French and Italian. `data/descriptions.json`.
    """
    return json.loads((assets.folder() / "descriptions.json").read_text(encoding="utf-8"))


@cache
def families() -> tuple[str, ...]:
    """Instrument families, in order of first appearance."""
    return tuple(dict.fromkeys(c.family for c in sound_classes()))


def recognise(text: str) -> SoundClass | None:
    """The class whose name or synonym stands in `text` as whole words; the longest match wins.

    >>> recognise("The sound of an electric bass").name
    'electric bass'
    >>> recognise("kazoo") is None
    True
    """
    words = f" {' '.join(text.lower().replace('-', ' ').split())} "
    found = [
        (len(name), sound)
        for sound in sound_classes()
        for name in sound.names
        for plural in ("", "s")
        if f" {name.lower().replace('-', ' ')}{plural} " in words
    ]
    return max(found, key=lambda pair: pair[0])[1] if found else None


def nearest_names(text: str, count: int = 3) -> list[str]:
    """Known names that look most like `text`.

    >>> nearest_names("violine", 1)
    ['violin']
    """
    names = [name for sound in sound_classes() for name in sound.names]
    return difflib.get_close_matches(text.lower(), names, n=count, cutoff=0.0)


def warn_of_unknown(text: str, stacklevel: int) -> None:
    """Warn, with the nearest names, when no class stands in `text`.

    `stacklevel` counts from the caller.
    """
    if recognise(text) is None:
        near = " or ".join(repr(name) for name in nearest_names(text))
        warnings.warn(
            f"{text!r} is no class of mini-MUSIC; nearest: {near}", stacklevel=stacklevel + 1
        )
