"""One run, from a composed config to its objective."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from dltools.cfgutils.build import check_targets
from dltools.cfgutils.consume import drop_unchosen
from dltools.cfgutils.explain import explain
from dltools.cfgutils.imports import add_imports
from dltools.cfgutils.resolvers import resolved
from dltools.policies.assemble import assemble
from dltools.policies.folder import RunFolder
from dltools.policies.statistics import count_for_configs

logger = logging.getLogger("dltools")


def launch(config: DictConfig) -> float | tuple[float, ...]:
    """Check a config, build its parts, run its policy and return the objective; of several, a tuple.

    An error leaves `traceback.txt` and a summary that says `failed` in the run folder, and is raised again.
    """
    hydra = HydraConfig.get()
    overrides: list[str] = OmegaConf.to_container(hydra.overrides.task, resolve=False)  # type: ignore[assignment]
    folder = RunFolder(Path(hydra.runtime.output_dir))
    add_imports(config.imports)
    drop_unchosen(config, overrides)
    count_for_configs()
    values = resolved(config)
    check_targets(values)
    folder.claim(values, overrides, config.resume)
    _let_sigterm_interrupt()
    try:
        policy, job = assemble(config, folder, overrides, values, in_sweep=hydra.mode is RunMode.MULTIRUN)
        objective = policy.run(job)
    except Exception as error:
        _record_failure(folder, error, shown_later=hydra.mode is RunMode.RUN)
        raise
    logger.info(closing_words(folder, config.hint if hydra.mode is RunMode.RUN else None))
    return objective


def closing_words(folder: RunFolder, hint: str | None) -> str:
    """Return what a finished run tells: where it is, what it reached, its picture, and what to type next."""
    summary = folder.read_summary()
    objective = summary["objective"]
    lines = [
        f"Run folder: {folder.path}",
        f"Objective:  {_words_of(objective)}",
        *(f"       and  {_words_of(another)}" for another in summary["more_objectives"].values()),
    ]
    tested = objective["name"].replace("val/", "test/", 1)
    if tested in summary["test"]:
        lines.append(f"Test:       {tested} = {_number(summary['test'][tested])}")
    pictures = sorted(folder.figures.glob("*.png"), key=lambda file: file.stat().st_mtime)
    if pictures:
        lines.append(f"Picture:    {pictures[-1]}")
    if hint:
        lines.append(f"Next:       {hint}")
    return "\n".join(lines)


def _words_of(objective: dict[str, Any]) -> str:
    """Return an objective's expression, its value, and which epochs it is of."""
    told = f"{objective['expr']} = {_number(objective['value'])}"
    when = f"after epoch {objective['best_epoch']}"
    if objective["reduce"] == "best":
        return f"{told} {when}"
    count = min(objective["window"], objective["validations"])
    which = f"mean of the last {count} validations" if objective["reduce"] == "mean" else "last validation"
    return f"{told} ({which}; the best was {_number(objective['best'])} {when})"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"


def _record_failure(folder: RunFolder, error: Exception, shown_later: bool) -> None:
    folder.write("traceback.txt", "".join(traceback.format_exception(error)))
    if folder.read_summary().get("status") != "failed":
        folder.write_summary({"status": "failed", "error": f"{type(error).__name__}: {error}"})
    if not shown_later:
        logger.error("Failed: %s (%s)", explain(error), folder.path)


def _let_sigterm_interrupt() -> None:
    """Let SIGTERM end a run as Ctrl-C does, so that its summary and writers are closed; Ray has its own way."""

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt(f"signal {number}")

    if threading.current_thread() is threading.main_thread() and "ray" not in sys.modules:
        signal.signal(signal.SIGTERM, interrupt)
