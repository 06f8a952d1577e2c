"""The step from a config to objects."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from hydra.utils import get_object
from omegaconf import DictConfig, ListConfig, OmegaConf

from dltools.cfgutils.errors import ConfigError, FieldError, add_note
from dltools.cfgutils.groups import PLURAL
from dltools.cfgutils.index import index
from dltools.cfgutils.nearest import did_you_mean


def build(config: Any, key: str, **context: Any) -> Any:
    """Build the object that a config describes, children first; values, lists and mappings are returned plain.

    A node with `_target_` becomes a call of it with the node's other keys. `_partial_: true` gives a
    `functools.partial` instead.

    Args:
        config: node of a composed config, or plain containers of the same shape.
        key: where the node stands in the config, for messages.
        **context: what the engine knows, such as `num_classes` from the data or the `params` of an optimizer. A target
            that has a parameter of that name gets the value, unless the config sets it.

    Raises:
        ConfigError: a target is neither registered nor allowed, or has no parameter of some name.
        FieldError: a value is not allowed. Any other error of the built class keeps its type; each gets a note that
            names the config key and the class.
    """
    if isinstance(config, (DictConfig, ListConfig)):
        config = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)
    return _build(config, key, context)


def check_targets(config: Any, key: str = "") -> None:
    """Refuse every `_target_` that is neither a registered component nor lies in a module named by `imports`.

    Raises:
        ConfigError: naming the key, the target and what would allow it.
    """
    if isinstance(config, Mapping):
        if "_target_" in config:
            _check_target(config["_target_"], f"{key}._target_")
        for name, child in config.items():
            check_targets(child, f"{key}.{name}" if key else str(name))
    elif isinstance(config, list):
        for position, child in enumerate(config):
            check_targets(child, f"{key}[{position}]")


def _build(config: Any, key: str, context: dict[str, Any]) -> Any:
    if isinstance(config, list):
        return [_build(child, f"{key}[{position}]", context) for position, child in enumerate(config)]
    if not isinstance(config, dict):
        return config
    children = {
        name: _build(child, f"{key}.{name}", context)
        for name, child in config.items()
        if name not in ("_target_", "_partial_")
    }
    if "_target_" not in config:
        return children
    path = config["_target_"]
    _check_target(path, f"{key}._target_")
    target = _import(path, f"{key}._target_")
    arguments = _arguments(target, path, key, children, context)
    if config.get("_partial_"):
        return functools.partial(target, **arguments)
    return _call(target, path, key, arguments)


def _check_target(path: str, key: str) -> None:
    if path == "???" or path is None:
        raise ConfigError(f"{key} is missing: give the import path of a class, such as {key}=my_package.MyClass.")
    if path in index().targets() or any(path.startswith(f"{module}.") for module in index().modules):
        return
    hint = did_you_mean(path, index().targets())
    module = path.rpartition(".")[0] or path
    raise ConfigError(
        f"{key}={path} is neither a registered component nor allowed.{hint} "
        f"If it is yours, or one that you trust, name its module: imports=[{module}]."
    )


def _import(path: str, key: str) -> Callable[..., Any]:
    try:
        target = get_object(path)
    except (ImportError, AttributeError, ValueError) as error:
        root = error.__cause__ or error
        raise ConfigError(f"{key}={path} cannot be imported: {root}") from error
    if not callable(target):
        raise ConfigError(f"{key}={path} is a {type(target).__name__}; it must be a class or a function.")
    return target


def _arguments(
    target: Callable[..., Any], path: str, key: str, given: dict[str, Any], context: dict[str, Any]
) -> dict[str, Any]:
    """Check the names of the given arguments and add those of the context that are wanted and not given."""
    parameters = inspect.signature(target).parameters
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for name in given:
        if name not in parameters and not open_ended:
            hint = _beside(path, key, given[name]) or did_you_mean(name, parameters)
            raise ConfigError(
                f"{key}.{name} is not consumed: {path} has no parameter {name!r}.{hint} "
                f"It takes {', '.join(parameters) or 'none'}."
            )
    arguments = {name: _as_default(value, parameters.get(name)) for name, value in given.items() if value != "???"}
    for name, value in context.items():
        if name in parameters and arguments.get(name) is None:
            arguments[name] = value
    missing = [
        name
        for name, parameter in parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        and name not in arguments
    ]
    if missing:
        raise ConfigError(f"{key}.{missing[0]} is missing: {path} needs it. Give it as {key}.{missing[0]}=...")
    return arguments


def _beside(path: str, key: str, value: Any) -> str:
    """Return what to write where one of several was meant to stand beside a built value, not around it."""
    entry = index().of_target(path)
    if entry is None or entry.group not in PLURAL or isinstance(value, bool | int | float | str | list | dict | None):
        return ""
    return f" To have {entry.name!r} beside it write +{entry.group}@{key}.{entry.name}={entry.name}."


def _as_default(value: Any, parameter: inspect.Parameter | None) -> Any:
    """Return a tuple for a list where the default is one: configs have no tuples, and some classes insist on them."""
    wants_tuple = parameter is not None and isinstance(parameter.default, tuple)
    return tuple(value) if wants_tuple and isinstance(value, list) else value


def _call(target: Callable[..., Any], path: str, key: str, arguments: dict[str, Any]) -> Any:
    try:
        return target(**arguments)
    except FieldError as error:
        raise FieldError(f"{key}.{error.field}", error.problem) from error
    except Exception as error:
        add_note(error, f"while building {key} ({path})")
        raise
