"""Options of a command that are the fields of a configuration.

A field of a dataclass is an option where its metadata have a `help`. The option is
`--name-of-field` or the metadata's `option`. Where `follows` names another field, a field takes the
value of that one's option. What is not given stays as the configuration has it.
"""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

import typer

Configuration = TypeVar("Configuration")
Value = str | float


@dataclass(frozen=True)
class ConfigOption:
    """One option: the field that it sets, how it is written, and what its help says of it."""

    field: str
    option: str
    kind: type
    help: str


def options_of(presets: Mapping[str, Any]) -> dict[str, ConfigOption]:
    """The options of a configuration by the names of their fields, those of parts included.

    Args:
        presets: values of the configuration by their names; the first is the default.
    """
    found = {}
    values = {name: dict(_leaves(config)) for name, config in presets.items()}
    first = next(iter(presets))
    for field in values[first]:
        if "help" not in field.metadata:
            continue
        default = _written(values[first][field])
        others = {name: _written(leaves[field]) for name, leaves in values.items()}
        unlike = [f"{value} for {name}" for name, value in others.items() if value != default]
        says = f"{field.metadata['help']} Default: {', '.join([default, *unlike])}."
        found[field.name] = ConfigOption(field.name, option_name(field), _kind(field), says)
    return found


def option_name(field: Field) -> str:
    """How an option is written, e.g. `--group-size` for the field group_size."""
    return field.metadata.get("option", "--" + field.name.replace("_", "-"))


def with_options_of(presets: Mapping[str, Any]) -> Callable[[Callable], Callable[..., None]]:
    """A decorator that replaces a command's `**given` by the options of a configuration.

    The command gets the fields that were given alone.
    """

    def decorate(command: Callable) -> Callable[..., None]:
        found = options_of(presets)

        @functools.wraps(command)
        def run(**values: Any) -> None:
            given = {name: values.pop(name) for name in found}
            command(**values, **{k: v for k, v in given.items() if v is not None})

        parameters = list(inspect.signature(command).parameters.values())
        if parameters.pop().kind is not inspect.Parameter.VAR_KEYWORD:
            raise TypeError(f"{command.__name__} has no ** that could take the options")
        parameters += [_parameter(each) for each in found.values()]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        # Typer reads a command's parameters here.
        vars(run)["__signature__"] = inspect.Signature(parameters)
        return run

    return decorate


def changed(config: Configuration, given: Mapping[str, Value]) -> Configuration:
    """A configuration with the fields that were given, also those of its parts."""
    changes: dict[str, Any] = {}
    for field in fields(config):  # type: ignore[arg-type]  # no type of "any dataclass" is public
        value, source = getattr(config, field.name), field.metadata.get("follows", field.name)
        if is_dataclass(value):
            changes[field.name] = changed(value, given)
        elif source in given:
            changes[field.name] = given[source]
    return replace(config, **changes)  # type: ignore[type-var]  # as above


def _leaves(config: Any) -> Iterator[tuple[Field, Any]]:
    """(field, value) of a configuration, then of its parts."""
    values = {field: getattr(config, field.name) for field in fields(config)}
    yield from ((field, value) for field, value in values.items() if not is_dataclass(value))
    for value in values.values():
        if is_dataclass(value):
            yield from _leaves(value)


def _parameter(option: ConfigOption) -> inspect.Parameter:
    """The parameter that Typer makes an option of; None where it is not given."""
    default = typer.Option(None, option.option, help=option.help, show_default=False)
    return inspect.Parameter(
        option.field,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=option.kind | None,
    )


def _kind(field: Field) -> type:
    """The type of a field's values."""
    if field.type not in (str, int, float):
        raise TypeError(f"{field.name} is of {field.type}: no option can be made of it")
    return field.type


def _written(value: Value) -> str:
    """A value as one writes it after the option."""
    return f"{value:g}" if isinstance(value, float) else str(value)
