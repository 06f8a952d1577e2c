"""The three ways to read scores: softmax against class ids or class probabilities, sigmoid against labels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dltools.losses.gradients import with_gradient
from dltools.losses.precision import raised
from dltools.losses.scores import Reading, Scores, Sums, flat, once, over_channels
from dltools.losses.softmax import SoftmaxStatistics, count_ids, softmax_statistics
from dltools.losses.targets import id_pair, label_pair, of_probabilities, soft_pair
from dltools.mode import Mode


def read(
    input: Tensor, target: Tensor, reading: Reading, squares: bool = False, distance_maps: Tensor | None = None
) -> Scores:
    """Pair the input of a loss with its target.

    Raises:
        ValueError: shapes or dtypes do not fit.
        DataError: a target is out of range.
    """
    mode, ignore_index, from_logits = reading
    kind: type[Scores]
    if mode is not Mode.multiclass:
        kind, pair = LabelScores, label_pair(input, target, mode, ignore_index)
    elif target.is_floating_point():
        kind, pair = SoftScores, soft_pair(input, target, ignore_index)
    else:
        kind, pair = IdScores, id_pair(input, target, ignore_index)
    return kind(*(pair if from_logits else of_probabilities(pair, mode)), squares, distance_maps)


class IdScores(Scores):
    """Softmax against class ids, without a one-hot form of them."""

    @once
    def cross_entropy(self) -> Tensor:
        """Minus the log probability of the true class, (N, *spatial)."""
        return -self._statistics.log_likelihood.view(self.truth.shape)

    @once
    def probability(self) -> Tensor:
        """Softmax, 0 at ignored places."""
        probability = torch.softmax(self.masked_logits, 1)
        return probability if self.counted is None else probability * self.counted

    @once
    def labels(self) -> Tensor:
        """One-hot form of the ids."""
        ones = torch.ones_like(self.truth) if self.valid is None else self.valid
        empty = torch.zeros_like(self.logits, dtype=raised(self.logits).dtype)
        return empty.scatter_(1, self.truth.unsqueeze(1), ones.unsqueeze(1).to(empty.dtype))

    @once
    def sums(self) -> Sums:
        """Sums over the places, (N, C)."""
        _, predicted, overlap, squares = self._statistics
        counts = count_ids(self._ids, self._valid, self.channels)
        places = counts.sum(1, keepdim=True).expand_as(counts).to(predicted.dtype)
        true = counts.to(predicted.dtype)
        return Sums(overlap, predicted, true, places, overlap, squares, true)

    def weight(self, of_class: Tensor | None) -> Tensor | None:
        """Return the weight of the true class at each valid place."""
        if of_class is None:
            return self.valid
        weight = of_class[self.truth]
        return weight if self.valid is None else weight * self.valid

    @once
    def _statistics(self) -> SoftmaxStatistics:
        return softmax_statistics(flat(self.logits, 2), self._ids, self._valid, self._squares)

    @property
    def _ids(self) -> Tensor:
        return flat(self.truth, 1)

    @property
    def _valid(self) -> Tensor | None:
        return None if self.valid is None else flat(self.valid, 1)


class SoftScores(Scores):
    """Softmax against class probabilities."""

    @once
    def log_probability(self) -> Tensor:
        """Logarithm of the softmax, (N, C, *spatial)."""
        return torch.log_softmax(self.masked_logits, 1)

    @once
    def cross_entropy(self) -> Tensor:
        """-sum_c t_c log p_c, (N, *spatial)."""
        return -(self.truth * self.log_probability).sum(1)

    @once
    def probability(self) -> Tensor:
        """Softmax, 0 at ignored places."""
        probability = self.log_probability.exp()
        return probability if self.counted is None else probability * self.counted

    @once
    def labels(self) -> Tensor:
        """The truth itself."""
        return self.truth

    @once
    def sums(self) -> Sums:
        """Sums over the places, (N, C)."""
        valid = None if self.counted is None else self.counted.expand_as(self.truth)
        return _sums(self.probability, self.truth, valid)

    def weight(self, of_class: Tensor | None) -> Tensor | None:
        """Return the expected class weight of each valid place."""
        if of_class is None:
            return self.valid
        return torch.einsum("nc...,c->n...", self.truth, of_class.to(self.truth.dtype))


class LabelScores(Scores):
    """Sigmoid against labels, hard or soft."""

    @once
    def masked_logits(self) -> Tensor:
        """Logits in fp32 at least; so low at ignored places that probability, cross entropy and gradient are 0."""
        logits = raised(self.logits)
        return logits if self.valid is None else torch.where(self.valid, logits, -1e4)

    @once
    def cross_entropy(self) -> Tensor:
        """-t log p - (1 - t) log(1 - p), (N, C, *spatial)."""
        return F.binary_cross_entropy_with_logits(self.masked_logits, self.truth, reduction="none")

    @once
    def probability(self) -> Tensor:
        """Sigmoid."""
        return torch.sigmoid(self.masked_logits)

    @once
    def constant_probability(self) -> Tensor:
        """Sigmoid without a graph."""
        return torch.sigmoid(self.masked_logits.detach())

    @once
    def labels(self) -> Tensor:
        """The truth itself."""
        return self.truth

    @once
    def sums(self) -> Sums:
        """Sums over the places, (N, C)."""
        if self._squares or torch.compiler.is_compiling():
            return _sums(self.probability, self.truth, self.valid)
        p, t = flat(self.constant_probability, 2), flat(self.truth, 2)
        values = p.sum(2), torch.minimum(p, t).sum(2)
        predicted, overlap = with_gradient(flat(self.masked_logits, 2), values, _gradient_of_sums, p, t)
        true = t.sum(2)
        none = torch.zeros_like(true)
        return Sums(overlap, predicted, true, _places(t, self.valid), none, none, none)

    def weight(self, of_class: Tensor | None) -> Tensor | None:
        """Return the class weights at each valid label."""
        if of_class is None:
            return self.valid
        weight = over_channels(of_class, self.logits)
        return weight if self.valid is None else weight * self.valid


def _sums(probability: Tensor, labels: Tensor, valid: Tensor | None) -> Sums:
    p, t = flat(probability, 2), flat(labels, 2)
    parts = torch.minimum(p, t), p, t
    overlap, predicted, true = (part.sum(2) for part in parts)
    of_squares = (part.sum(2) for part in (p * t, p.square(), t.square()))
    return Sums(overlap, predicted, true, _places(t, valid), *of_squares)


def _gradient_of_sums(p: Tensor, t: Tensor, of_predicted: Tensor, of_overlap: Tensor) -> Tensor:
    """Return the gradient with respect to the logits, given that to the sums of p and of min(p, t)."""
    # min(p, t) = (p + t - |p - t|) / 2
    slope = (p - t).sign_().mul_(of_overlap.unsqueeze(2) / -2).add_((of_predicted + of_overlap / 2).unsqueeze(2))
    return torch.ops.aten.sigmoid_backward.grad_input(slope, p, grad_input=slope)


def _places(labels: Tensor, valid: Tensor | None) -> Tensor:
    """Count the valid places of each region, (N, C), given labels (N, C, P)."""
    if valid is None:
        return labels.new_full(labels.shape[:2], labels.shape[2])
    return flat(valid, 2).to(labels.dtype).sum(2)
