"""A small normalizing flow over the plane."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class PlaneFlow(nn.Module):
    """Learnable density over the plane: a standard normal, bent by affine couplings of one axis with the other.

    Each step leaves one axis as it is and scales and shifts the other by a small network of the first; the steps
    take turns. At the start each is the identity. Dinh et al. 2017 (RealNVP), arXiv:1605.08803, section 3.

    Args:
        steps: number of couplings.
        width: neurons in each of the two hidden layers of a coupling.
    """

    def __init__(self, steps: int = 6, width: int = 64) -> None:
        super().__init__()
        self.couplings = nn.ModuleList(_coupling(width) for _ in range(steps))

    def log_prob(self, points: Tensor) -> Tensor:
        """Return the logarithm of the density at points (..., 2), as (...), in the precision of the parameters.

        log N(z; 0, I) + log |det dz / dx|, where z is what the steps make of the point x; eq. 3 of the paper.
        """
        kept, moved = points.to(next(self.parameters()).dtype).unbind(-1)
        stretch = torch.zeros_like(kept)
        for coupling in self.couplings:
            scale, shift = coupling(kept.unsqueeze(-1)).unbind(-1)
            scale = scale.tanh()
            stretch = stretch + scale
            kept, moved = moved * scale.exp() + shift, kept
        return stretch - (kept.square() + moved.square()) / 2 - math.log(2 * math.pi)


def _coupling(width: int) -> nn.Sequential:
    """Return the network from one axis to logarithmic scale and shift of the other, which are 0 at the start."""
    last = nn.Linear(width, 2)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(1, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), last)
