"""The entrypoint: compose a config, run its policy, return the objective.

python -m dltools.train task=segmentation loss=dice+focal
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omegaconf import DictConfig


def main() -> None:
    """Run the command line; an error ends it with one paragraph, and with a traceback if HYDRA_FULL_ERROR=1."""
    arguments = sys.argv[1:]
    if "--help" in arguments or "-h" in arguments:
        from dltools.cfgutils.help import help_page

        print(help_page())
        return
    full_error = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # threads that spin long while they wait stall a shared machine
    try:
        _hydra_main(arguments)
    except KeyboardInterrupt:
        print("Interrupted; resume=auto with this hydra.run.dir goes on from the last checkpoint.", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        if full_error:
            raise
        from dltools.cfgutils.explain import explain

        print(f"Error: {explain(error)}\n(HYDRA_FULL_ERROR=1 shows the traceback.)", file=sys.stderr)
        sys.exit(1)


def _hydra_main(arguments: list[str]) -> None:
    """Compose and run. Overrides may stand before and after flags; Hydra wants them side by side."""
    import hydra

    from dltools.cfgutils.completion import normalize_query
    from dltools.cfgutils.imports import add_imports, imports_of
    from dltools.cfgutils.options import presets_folder
    from dltools.cfgutils.search_path import prepare_hydra

    normalize_query()
    if "-sc" not in arguments and "--shell-completion" not in arguments:
        sys.argv[1:] = sorted(arguments, key=_is_override)
    add_imports(imports_of(arguments))
    prepare_hydra()
    hydra.main(config_path=str(presets_folder()), config_name="train", version_base="1.3")(run)()


def _is_override(argument: str) -> bool:
    return not argument.startswith("-") and (argument.startswith(("~", "+")) or "=" in argument)


def run(config: DictConfig) -> float | tuple[float, ...]:
    """Run one composed config: the task function that Hydra and its launchers call."""
    from dltools.policies.launch import launch

    return launch(config)


if __name__ == "__main__":
    main()
