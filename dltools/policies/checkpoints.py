"""What a training checkpoint holds, and how a run takes it back."""

from __future__ import annotations

from pathlib import Path

from torch.optim.lr_scheduler import LRScheduler

from dltools.cfgutils import ConfigError
from dltools.handlers.checkpoint import link_checkpoint, load_checkpoint, save_checkpoint
from dltools.policies.folder import RunFolder
from dltools.policies.job import Job
from dltools.policies.randomness import random_state, set_random_state
from dltools.policies.state import RunState


def save_run(job: Job, state: RunState, scheduler: LRScheduler, is_best: bool) -> None:
    """Write `last.pt` with all that a resumed run needs; if it is the best so far, it is `best.pt` too."""
    save_checkpoint(
        job.folder.last,
        {
            "run": state.state_dict(),
            "model": job.model.state_dict(),
            "loss": job.loss.state_dict(),
            "optimizer": job.optimizer.state_dict(),
            "scheduler": scheduler.state_dict(),
            "handlers": job.chain.state_dict(),
            "random": random_state(),
        },
    )
    if is_best:
        link_checkpoint(job.folder.last, job.folder.best)


def find_checkpoint(resume: str | None, folder: RunFolder) -> Path | None:
    """Return the checkpoint that `resume` names, None to start afresh.

    Raises:
        ConfigError: there is none where `resume` says.
    """
    if resume is None:
        return None
    if resume == "auto":
        return folder.last if folder.last.is_file() else None
    path = Path(resume)
    found = RunFolder(path).last if path.is_dir() else path
    if not found.is_file():
        raise ConfigError(
            f"resume={resume}: there is no checkpoint {found}. "
            "Name a run folder or a checkpoint file, or use resume=auto with hydra.run.dir=FOLDER."
        )
    return found


def load_run(job: Job, scheduler: LRScheduler, checkpoint: Path) -> RunState:
    """Bring a job and its attached scheduler to where a checkpoint was saved, and return the run's state.

    Raises:
        ConfigError: the checkpoint is of another model or optimizer.
    """
    saved = load_checkpoint(checkpoint, job.device)
    try:
        job.model.load_state_dict(saved["model"])
        job.loss.load_state_dict(saved["loss"])
        job.optimizer.load_state_dict(saved["optimizer"])
        scheduler.load_state_dict(saved["scheduler"])
        job.chain.load_state_dict(saved["handlers"])
        set_random_state(saved["random"])
        state = RunState.from_state_dict(saved["run"])
        best = checkpoint.with_name("best.pt")
        if best.is_file() and not job.folder.best.is_file():
            save_checkpoint(job.folder.best, load_checkpoint(best))
        return state
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(
            f"resume={job.resume}: the checkpoint {checkpoint} does not fit this run ({reason}). "
            "Use the model and optimizer it was made with; its folder's config.yaml tells which."
        ) from error
