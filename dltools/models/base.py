"""What the reference models have in common."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from dltools.cfgutils import FieldError, PositiveInt
from dltools.module import ConfigModule


@dataclass(kw_only=True, eq=False, repr=False)
class Model(ConfigModule):
    """Base of the reference models: counts that the data decides, and the initial weights."""

    in_channels: PositiveInt | None = None
    """Channels of the images; None takes it from the data."""

    def given(self, field: str) -> int:
        """Return a count that must be known by the time the model is built.

        Raises:
            FieldError: the field is still None.
        """
        value = getattr(self, field)
        if value is None:
            raise FieldError(field, "must be given where no data set tells it, such as 10; got None")
        return int(value)

    def bias_or(self, value: float) -> list[float]:
        """Return the field `bias`, or a value for each class where it is None.

        Raises:
            FieldError: it has another number of values than there are classes.
        """
        classes, bias = self.given("num_classes"), getattr(self, "bias", None)
        if bias is not None and len(bias) != classes:
            raise FieldError("bias", f"must have {classes} values, one for each class, got {len(bias)}")
        return [value] * classes if bias is None else list(bias)

    def init_weights(self) -> None:
        """Draw the weights of convolutions as He et al. 2015, arXiv:1502.01852; a `Starting` layer sets its own."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for module in self.modules():
            if isinstance(module, Starting):
                module.start()


class Starting(nn.Module):
    """A layer with initial weights of its own."""

    def start(self) -> None:
        """Set them."""
        raise NotImplementedError
