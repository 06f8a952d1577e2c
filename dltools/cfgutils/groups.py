"""The config groups, and which of them hold several named components at once."""

from __future__ import annotations

PLURAL = frozenset(
    {
        "loss",
        "metric",
        "handler",
        "writer",
        "stopper",
        "visualizer",
        "constraint",
        "tuner",
        "transform",
    }
)
"""Groups whose choice is one or more names joined by `+`; the node of each name lies at `<group>.<name>`."""

ORDERED = frozenset({"transform", "handler"})
"""Plural groups in which the order of the names has a meaning; in the others names are sorted."""

WEIGHTED = frozenset({"loss"})
"""Plural groups whose terms may carry a weight, as in `0.7*dice+0.3*focal`."""

CALCULATED = frozenset({"objective"})
"""Single groups whose choice may be an expression of logged values, as in `0.7*val/iou+0.3*val/dice`.

Such a choice is the field `expr` of the group's component `expression`. One that names a component or a preset is that.
"""


def package_of(group: str, name: str) -> str:
    """Return where in the config a component lands: `loss.dice` for a plural group, `model` for a single one."""
    return f"{group}.{name}" if group in PLURAL else group
