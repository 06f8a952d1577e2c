"""From joints to heat maps, and back."""

from __future__ import annotations

import torch
from torch import Tensor

_LOWEST = 1e-3
"""Heights below it are as good as none: of a Gaussian of height 1, those farther than 3.7 of its widths."""


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
def decode_heatmaps(heatmaps: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Find the joints: the highest pixel of each map, moved to where a Gaussian through its neighbours is highest.

    The logarithm of a Gaussian is a parabola, whose top follows from slope and curvature at one pixel; the move is one
    pixel of the maps at most, and none where the map does not curve downwards. Zhang et al. 2020 (DARK),
    arXiv:1910.06278, eq. 4 to 9, without their blurring of the maps.

    Args:
        heatmaps: (B, K, h, w).
        stride: pixels of the crop for each pixel of the maps.

    Returns:
        Joints (B, K, 2) as x, y in pixels of the crop, and the height of their peaks (B, K).
    """
    heatmaps = heatmaps.float()
    height, width = heatmaps.shape[-2:]
    scores, peaks = heatmaps.flatten(2).max(2)
    found = torch.stack([peaks % width, peaks // width], dim=2).to(heatmaps.dtype)
    if min(height, width) >= 3:
        found = _refined(heatmaps.clamp(min=_LOWEST).log(), found)
    return (found + 0.5) * stride, scores


def _refined(maps: Tensor, peaks: Tensor) -> Tensor:
    """Return the tops of parabolas at peaks (B, K, 2), within a pixel of them."""
    width, height = maps.shape[-1], maps.shape[-2]
    column, row = (peak.clamp(1, side - 2) for peak, side in zip(peaks.unbind(2), (width, height), strict=True))
    steps = torch.arange(-1, 2, device=maps.device)
    places = (row.long()[..., None, None] + steps[:, None]) * width + column.long()[..., None, None] + steps
    (nw, n, ne), (w, here, e), (sw, s, se) = (
        line.unbind(-1) for line in maps.flatten(2).gather(2, places.flatten(2)).unflatten(2, (3, 3)).unbind(2)
    )
    across, down = (e - w) / 2, (s - n) / 2
    across2, down2, both = e - 2 * here + w, s - 2 * here + n, (se - ne - sw + nw) / 4
    curvature = across2 * down2 - both**2
    top = torch.stack([both * down - down2 * across, both * across - across2 * down], 2) / curvature.unsqueeze(2)
    top = torch.stack([column, row], 2) + top
    is_top = (curvature > 0) & (across2 < 0) & top.isfinite().all(2)
    return torch.where(is_top.unsqueeze(2), top.clamp(peaks - 1, peaks + 1), peaks)


def _moments(likely: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance of the centres of n cells (..., n) that are that likely, as (...)."""
    centres = torch.arange(likely.shape[-1], device=likely.device, dtype=likely.dtype) + 0.5
    mean = (likely * centres).sum(-1)
    return mean, (likely * (centres - mean.unsqueeze(-1)).square()).sum(-1)
