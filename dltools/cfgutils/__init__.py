"""The config core: components, term expressions, and the step from a config to objects. Imports no torch."""

from dltools.cfgutils.component import component, foreign
from dltools.cfgutils.constraints import (
    NonNegativeFloat,
    NonNegativeInt,
    OnError,
    PositiveFloat,
    PositiveInt,
    Probability,
)
from dltools.cfgutils.errors import ConfigError, DataError, FieldError, SampleError, TrainingError, add_note, noting

__all__ = [
    "ConfigError",
    "DataError",
    "FieldError",
    "NonNegativeFloat",
    "NonNegativeInt",
    "OnError",
    "PositiveFloat",
    "PositiveInt",
    "Probability",
    "SampleError",
    "TrainingError",
    "add_note",
    "component",
    "foreign",
    "noting",
]
