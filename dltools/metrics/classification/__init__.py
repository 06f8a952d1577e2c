"""Metrics of class ids, labels and their scores."""

from dltools.metrics.classification.agreement import CohenKappa, MatthewsCorrelation
from dltools.metrics.classification.balanced import BalancedAccuracy
from dltools.metrics.classification.calibration import CalibrationError, ConfidenceBins
from dltools.metrics.classification.fractions import Accuracy, F1Score, FBetaScore, Precision, Recall, Specificity
from dltools.metrics.classification.ranking import AUROC, AveragePrecision, RankedScores
from dltools.metrics.classification.table import ConfusionTable
from dltools.metrics.classification.top_k import TopKAccuracy, TopKHits

__all__ = [
    "AUROC",
    "Accuracy",
    "AveragePrecision",
    "BalancedAccuracy",
    "CalibrationError",
    "CohenKappa",
    "ConfidenceBins",
    "ConfusionTable",
    "F1Score",
    "FBetaScore",
    "MatthewsCorrelation",
    "Precision",
    "RankedScores",
    "Recall",
    "Specificity",
    "TopKAccuracy",
    "TopKHits",
]
