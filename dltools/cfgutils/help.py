"""The help page of the entrypoint."""

from __future__ import annotations

from itertools import groupby
from textwrap import fill

from dltools.cfgutils.groups import PLURAL
from dltools.cfgutils.options import options

_HEAD = """\
dltools: train a vision model from a config.

    python -m dltools.train task=segmentation                     run a task with its defaults
    python -m dltools.train task=segmentation loss=0.7*dice+0.3*focal loss.focal.gamma=3
    python -m dltools.train task=classification optim=sgd optim.lr=0.1 policy.epochs=20
    python -m dltools.train experiment=demo debug=fdr             a few batches through every phase
    python -m dltools.train -m loss=dice,dice+focal optim.lr=1e-3,3e-4      a sweep of four runs
    python -m dltools.train -m loss=dice,ce hydra/launcher=ray    the same, side by side

Words
    group=name           choose a component or a preset; groups marked + take several: loss=dice+focal
    key=value            set a value, such as seed=1 device=cuda policy.epochs=30 loader.batch_size=64
                         loader.num_workers=4 data.root=/path/to/data resume=auto hydra.run.dir=runs/mine
    objective=val/iou    what the run returns: a logged value, or "0.7*val/iou + 0.3*val/dice"
    ~writer.csv          leave one of several out
    +transform@augs.train.mosaic=mosaic               add a transform to those of the task's preset
    'loss.ce.class_weight=${stats:class_weight}'      a number that is counted in the training data
    -m a=1,2             sweep over values
    --cfg job            show the config and stop; --info defaults-tree shows where it comes from
    --config-dir DIR     a folder with presets of your own
    imports=[my_module]  a module with components of your own

Groups and options
"""

_TAIL = """
`python -m dltools list GROUP` tells what each is; `doctor` what is wrong with a data set; `show` draws the samples.
HYDRA_FULL_ERROR=1 shows tracebacks; --hydra-help tells of Hydra's own flags.
Tab completion: eval "$(python -m dltools completion)\""""


def help_page() -> str:
    """Return the page: examples, the words of the command line, groups and their options."""
    lines = []
    for group, members in groupby(options(), key=lambda option: option.group):
        if group.startswith("hydra/job_logging"):
            continue
        names = ", ".join(member.name for member in members)
        mark = "+" if group in PLURAL else " "
        lines.append(fill(f"  {group:<16}{mark} {names}", 110, subsequent_indent=" " * 20))
    return _HEAD + "\n".join(lines) + _TAIL
