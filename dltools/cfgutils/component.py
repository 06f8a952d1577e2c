"""The component decorator: one class, its structured config and its place in Hydra's ConfigStore.

    @component("loss", "dice")
    class DiceLoss(RegionLoss):
        squared: bool = False
        \"\"\"Square the terms of the denominator instead of summing them.\"\"\"

`DiceLoss(squared=True)` works anywhere; `DiceLoss.Config` is what `loss=dice` puts into the config.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from typing import Any, TypeVar, get_args, get_type_hints

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING
from typing_extensions import dataclass_transform

from dltools.cfgutils.constraints import check_fields
from dltools.cfgutils.groups import package_of

T = TypeVar("T", bound=type)

_foreign: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {}


@dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(dataclasses.field,))
def component(group: str, name: str) -> Callable[[T], T]:
    """Make a class a component: a keyword-only dataclass with a structured config in the ConfigStore.

    The fields of the class are its parameters. They are checked against their declared bounds before
    `__post_init__` runs. A class with an `__init__` of its own (a subclass of a foreign base) keeps it,
    and its config is derived from the signature.

    Args:
        group: config group, such as `loss`.
        name: option of the group, such as `dice`; never the name of a preset file.
    """

    def register(cls: T) -> T:
        if "__init__" in vars(cls):
            config = _config_from_signature(cls, path_of(cls))
        else:
            _check_fields_first(cls)
            dataclasses.dataclass(kw_only=True, eq=False, repr=False)(cls)  # changes the class in place
            config = _config_from_fields(cls)
        cls.Config = config  # type: ignore[attr-defined]
        _store(group, name, config)
        return cls

    return register


def foreign(group: str, name: str, target: str, doc: str, **defaults: Any) -> None:
    """Register a class of another library, imported only when it is chosen.

    Args:
        group: config group, such as `optim`.
        name: option of the group.
        target: public import path, such as `torch.optim.AdamW`.
        doc: one line for listings.
        **defaults: values that replace the defaults of its signature.
    """
    _foreign[group, name] = (target, defaults)


def ensure_stored(group: str, name: str, module: str) -> None:
    """Import the module of a component, and derive the config if it is a foreign class."""
    importlib.import_module(module)
    if (group, name) in _foreign:
        target, defaults = _foreign.pop((group, name))
        module_name, _, attribute = target.rpartition(".")
        cls = getattr(importlib.import_module(module_name), attribute)
        _store(group, name, _config_from_signature(cls, target, **defaults))


def path_of(cls: type) -> str:
    """Return the import path of a class."""
    return f"{cls.__module__}.{cls.__qualname__}"


def _store(group: str, name: str, config: Any) -> None:
    ConfigStore.instance().store(
        group=group, name=name, node=config, package=package_of(group, name), provider="dltools"
    )


def _check_fields_first(cls: type) -> None:
    """Wrap `__post_init__` so that the fields are checked before anything is made from them."""
    inherited = getattr(cls, "__post_init__", None)

    def __post_init__(self: Any) -> None:
        check_fields(self)
        if inherited is not None:
            inherited(self)

    cls.__post_init__ = __post_init__  # type: ignore[attr-defined]


def _config_from_fields(cls: type) -> type:
    """Derive the structured config of a dataclass: the same fields, after `_target_`."""
    hints = get_type_hints(cls)
    rows: list[Any] = [("_target_", str, dataclasses.field(default=path_of(cls)))]
    for field in dataclasses.fields(cls):
        if not field.init:
            continue
        if field.default_factory is not dataclasses.MISSING:
            default = dataclasses.field(default_factory=field.default_factory)
        elif field.default is not dataclasses.MISSING:
            default = dataclasses.field(default=field.default)
        else:
            default = dataclasses.field(default=MISSING)
        rows.append((field.name, hints[field.name], default))
    return _importable(dataclasses.make_dataclass(f"{cls.__name__}Config", rows, kw_only=True), cls)


def _config_from_signature(cls: type, target: str, **defaults: Any) -> Any:
    """Derive the structured config of a class from the signature of its `__init__`.

    Required parameters (the `params` of an optimizer) stay out: they are given when the object is built. Of a
    parameter that may also be a Tensor (`lr: float | Tensor`), the other type is kept.
    """
    from hydra_zen import builds

    hints = _hints(cls)
    full: Any = builds(cls, populate_full_signature=True)
    rows: list[Any] = [("_target_", str, dataclasses.field(default=target))]
    for field in dataclasses.fields(full):
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if field.name == "_target_" or (required and field.name not in defaults):
            continue
        value = defaults.get(field.name, dataclasses.MISSING)
        if value is not dataclasses.MISSING:
            default = dataclasses.field(default=value)
        elif field.default_factory is not dataclasses.MISSING:
            default = dataclasses.field(default_factory=field.default_factory)
        else:
            default = dataclasses.field(default=field.default)
        kind = _without_tensor(hints.get(field.name)) if field.type is Any else field.type
        rows.append((field.name, kind, default))
    unknown = set(defaults) - {row[0] for row in rows}
    if unknown:
        raise TypeError(f"{target} has no parameter {', '.join(sorted(unknown))}")
    return dataclasses.make_dataclass(f"{cls.__name__}Config", rows, kw_only=True)


def _hints(cls: type) -> dict[str, Any]:
    """Return the types of a foreign signature, none where they name what is not imported."""
    try:
        return get_type_hints(cls.__init__)  # type: ignore[misc]
    except (NameError, TypeError):
        return {}


def _without_tensor(hint: Any) -> Any:
    """Return T for `T | Tensor`, where T is a plain type; Any for every other hint."""
    names = [getattr(option, "__name__", "") for option in get_args(hint)]
    plain = [option for option in get_args(hint) if option in (bool, int, float, str)]
    return plain[0] if len(plain) == 1 and sorted(names) == sorted(["Tensor", plain[0].__name__]) else Any


def _importable(config: type, cls: type) -> type:
    """Let pickle find a made config class as an attribute of its component."""
    config.__module__ = cls.__module__
    config.__qualname__ = f"{cls.__qualname__}.Config"
    return config
