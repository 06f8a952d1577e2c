"""Metrics of torchmetrics, imported only when they are chosen; `num_classes` is taken from the data."""

from __future__ import annotations

from dltools.cfgutils import foreign

foreign(
    "metric",
    "auroc",
    "torchmetrics.classification.MulticlassAUROC",
    "Area under the ROC curve, mean over classes against the rest.",
)
foreign(
    "metric",
    "average_precision",
    "torchmetrics.classification.MulticlassAveragePrecision",
    "Area under the precision-recall curve, mean over classes.",
)
foreign(
    "metric",
    "calibration_error",
    "torchmetrics.classification.MulticlassCalibrationError",
    "How far confidence and accuracy lie apart (ECE).",
)
foreign(
    "metric",
    "cohen_kappa",
    "torchmetrics.classification.MulticlassCohenKappa",
    "Agreement beyond chance; weights=quadratic for grades.",
)
foreign(
    "metric",
    "matthews_corrcoef",
    "torchmetrics.classification.MulticlassMatthewsCorrCoef",
    "Correlation of predicted and true classes.",
)
