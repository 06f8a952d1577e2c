"""The entrypoint: compose a config, run its policy, return the objective.

python -m dltools.train task=segmentation loss=dice+focal
"""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stderr
from typing import TYPE_CHECKING, Any, TextIO

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
        with redirect_stderr(sys.stderr):  # takes back what `run` exchanges
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

    from dltools.cfgutils.completion import completing
    from dltools.cfgutils.imports import add_imports, imports_of, is_override
    from dltools.cfgutils.options import presets_folder
    from dltools.cfgutils.search_path import prepare_hydra
    from dltools.cfgutils.sweeps import refuse_unknown_choices
    from dltools.policies.statistics import count_for_configs

    add_imports(imports_of(arguments))
    prepare_hydra()
    count_for_configs()
    start = hydra.main(config_path=str(presets_folder()), config_name="train", version_base="1.3")(run)
    if "-sc" in arguments or "--shell-completion" in arguments:
        with completing():
            start()
        return
    sys.argv[1:] = sorted(arguments, key=is_override)
    refuse_unknown_choices(arguments)
    start()


def run(config: DictConfig) -> float | tuple[float, ...]:
    """Run one composed config: the task function that Hydra and its launchers call."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from dltools.policies.launch import launch

    try:
        return launch(config)
    except Exception:
        if HydraConfig.get().mode is RunMode.RUN:
            sys.stderr = _WithoutOverrides(sys.stderr)
        raise


class _WithoutOverrides:
    """Standard error without the overrides of the failed job, which Hydra writes before it raises the job's error."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        repeats = text.startswith("Error executing job with overrides:")
        return len(text) if repeats else self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


if __name__ == "__main__":
    main()
