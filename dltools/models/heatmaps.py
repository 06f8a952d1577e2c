"""From joints to heat maps, and back."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def keypoint_heatmaps(keypoints: Tensor, size: tuple[int, int], stride: int, sigma: float = 2.0) -> Tensor:
    """Draw a Gaussian of height 1 around each joint.

    The maps are exact for joints between pixels: the centre of map pixel i lies at (i + 0.5) * stride in the crop.

    Args:
        keypoints: (B, K, 3) x, y in pixels of the crop, and visibility; 0 is absent.
        size: height and width of the crop in pixels.
        stride: pixels of the crop for each pixel of the maps.
        sigma: width of the Gaussian in pixels of the maps.

    Returns:
        (B, K, ceil(height / stride), ceil(width / stride)) of the keypoints' dtype; NaN for joints that are absent.
    """
    height, width = (-(-side // stride) for side in size)
    rows = torch.arange(height, device=keypoints.device, dtype=keypoints.dtype) + 0.5
    columns = torch.arange(width, device=keypoints.device, dtype=keypoints.dtype) + 0.5
    x, y, visibility = keypoints[..., None].unbind(2)
    across = (-((columns - x / stride) ** 2) / (2 * sigma**2)).exp()
    down = (-((rows - y / stride) ** 2) / (2 * sigma**2)).exp()
    maps = down[..., :, None] * across[..., None, :]
    return maps.masked_fill((visibility == 0)[..., None], torch.nan)


def soft_argmax(heatmaps: Tensor, stride: int, temperature: float = 0.06) -> tuple[Tensor, Tensor]:
    """Read joints so that a loss of points can train the maps: mean and spread of softmax(map / temperature).

    The temperature is in heights of the maps: at 0.06, a map that is right for `keypoint_heatmaps`, with a peak of 1,
    has its mean at the joint and next to nothing of the background in it. Sun et al. 2018 (integral regression),
    arXiv:1711.08229, eq. 2.

    Args:
        heatmaps: (B, K, h, w).
        stride: pixels of the crop for each pixel of the maps.
        temperature: difference in height that makes a pixel e times as likely, above 0.

    Returns:
        Joints (B, K, 2) as x, y in pixels of the crop, and their standard deviations (B, K, 2), in which each pixel
        of the maps counts as a square and not as a point, so that they are never 0; in fp32 at least.
    """
    heatmaps = heatmaps if heatmaps.dtype == torch.float64 else heatmaps.float()
    likely = (heatmaps.flatten(2) / temperature).softmax(2).view_as(heatmaps)
    along_x, along_y = _moments(likely.sum(2)), _moments(likely.sum(3))
    mean, variance = (torch.stack(pair, dim=2) for pair in zip(along_x, along_y, strict=True))
    return mean * stride, (variance + 1 / 12).sqrt() * stride


@torch.no_grad()
def decode_heatmaps(heatmaps: Tensor, stride: int, window: int = 5) -> tuple[Tensor, Tensor]:
    """Find the joints: the highest pixel of each map, moved to the centre of mass of the window around it.

    Args:
        heatmaps: (B, K, h, w).
        stride: pixels of the crop for each pixel of the maps.
        window: odd side of the window in pixels of the maps; 1 leaves out the refinement.

    Returns:
        Joints (B, K, 2) as x, y in pixels of the crop, and the height of their peaks (B, K).
    """
    heatmaps = heatmaps.float()
    batch, joints, _, width = heatmaps.shape
    scores, peaks = heatmaps.flatten(2).max(2)
    row, column = peaks // width, peaks % width
    reach = window // 2
    steps = torch.arange(-reach, reach + 1, device=heatmaps.device)
    padded = F.pad(heatmaps.clamp(min=0), (reach, reach, reach, reach)).flatten(2)
    rows = (row[..., None] + reach + steps)[..., :, None] * (width + 2 * reach)
    columns = (column[..., None] + reach + steps)[..., None, :]
    mass = padded.gather(2, (rows + columns).flatten(2)).view(batch, joints, window, window)
    total = mass.sum((2, 3)).clamp(min=1e-9)
    x = column + 0.5 + (mass.sum(2) * steps).sum(2) / total
    y = row + 0.5 + (mass.sum(3) * steps).sum(2) / total
    return torch.stack([x, y], dim=2) * stride, scores


def _moments(likely: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance of the centres of n cells (..., n) that are that likely, as (...)."""
    centres = torch.arange(likely.shape[-1], device=likely.device, dtype=likely.dtype) + 0.5
    mean = (likely * centres).sum(-1)
    return mean, (likely * (centres - mean.unsqueeze(-1)).square()).sum(-1)
