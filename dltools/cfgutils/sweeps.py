"""The choices of a sweep, looked up before its first config is composed."""

from __future__ import annotations

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import OverrideParseException
from hydra.types import RunMode

from dltools.cfgutils.errors import ConfigError
from dltools.cfgutils.imports import config_folders, is_override
from dltools.cfgutils.options import presets_folder

_ANOTHER_CONFIG = ("-cn", "-cp", "--config-n", "--config-p")


def refuse_unknown_choices(arguments: list[str]) -> None:
    """Let Hydra look up every choice of `group=a,b`, which it does itself only after it has composed the base config.

    Whatever else is wrong is left to Hydra, and so is a command line that names another primary config or both a
    `--config-dir` and a `hydra.searchpath`.

    Args:
        arguments: words of the command line.

    Raises:
        MissingConfigException: there is no such choice.
        ConfigError: an expression cannot be read.
    """
    overrides = [argument for argument in arguments if is_override(argument)]
    folders = [str(folder.absolute()) for folder in config_folders(arguments) if folder.is_dir()]
    searches = any(override.startswith("hydra.searchpath") for override in overrides)
    if (folders and searches) or any(argument.startswith(_ANOTHER_CONFIG) for argument in arguments):
        return
    try:
        parsed = OverridesParser.create().parse_overrides(overrides)
    except OverrideParseException:
        return
    sweeps = [override for override in parsed if override.is_choice_sweep() and "." not in override.key_or_group]
    fixed = [str(override.input_line) for override in parsed if not override.is_sweep_override()]
    if folders:
        fixed.append(f"hydra.searchpath={folders}")
    with hydra.initialize_config_dir(str(presets_folder()), version_base="1.3"):
        for sweep in sweeps:
            _look_up(sweep, fixed)


def _look_up(sweep: Override, fixed: list[str]) -> None:
    loader = GlobalHydra.instance().config_loader()
    group = sweep.key_or_group
    sweep.config_loader = loader
    known = loader.get_group_options(group, config_name="train", overrides=fixed)
    for choice in sweep.sweep_string_iterator() if known else ():
        if choice in known:
            continue
        try:
            loader.compute_defaults_list("train", [*fixed, f"{sweep.get_key_element()}={choice}"], RunMode.MULTIRUN)
        except Exception as error:
            if isinstance(error, ConfigError) or str(getattr(error, "missing_cfg_file", "")).startswith(f"{group}/"):
                raise
