"""Metrics of torchmetrics, imported only when they are chosen; `num_classes` and `ignore_index` come from the data.

Those of values take images (N, C, H, W) or numbers (N,), as each says, without NaN.
"""

from __future__ import annotations

from dltools.cfgutils import foreign

foreign(
    "metric",
    "exact_match",
    "torchmetrics.classification.MulticlassExactMatch",
    "Share of the images (N, H, W) in which every pixel's class is right or ignored.",
)
foreign(
    "metric",
    "hinge",
    "torchmetrics.classification.MulticlassHingeLoss",
    "By how much the true class lacks its margin, of probabilities; squared=true for its square.",
)
foreign(
    "metric",
    "label_ranking_precision",
    "torchmetrics.classification.MultilabelRankingAveragePrecision",
    "Share of true labels among those ranked above each true one; scores and labels (N, num_labels).",
    num_labels="???",
)
foreign(
    "metric",
    "label_ranking_loss",
    "torchmetrics.classification.MultilabelRankingLoss",
    "Share of pairs of a true and a false label in the wrong order; scores and labels (N, num_labels).",
    num_labels="???",
)
foreign(
    "metric",
    "coverage_error",
    "torchmetrics.classification.MultilabelCoverageError",
    "How many of the best labels cover all true ones, mean over images; scores and labels (N, num_labels).",
    num_labels="???",
)
foreign(
    "metric",
    "ssim",
    "torchmetrics.image.StructuralSimilarityIndexMeasure",
    "Structural similarity, mean over images; data_range is that of the values.",
    data_range=1.0,
)
foreign(
    "metric",
    "ms_ssim",
    "torchmetrics.image.MultiScaleStructuralSimilarityIndexMeasure",
    "Structural similarity at five scales, of images of more than 160 pixels a side; data_range is that of the values.",
    data_range=1.0,
)
foreign(
    "metric",
    "uqi",
    "torchmetrics.image.UniversalImageQualityIndex",
    "Universal image quality index: ssim without constants, for images of any range.",
)
foreign(
    "metric",
    "vif",
    "torchmetrics.image.VisualInformationFidelity",
    "Visual information fidelity, for images in 0..255 of more than 40 pixels a side.",
)
foreign(
    "metric",
    "spatial_correlation",
    "torchmetrics.image.SpatialCorrelationCoefficient",
    "Correlation of the images' fine detail, after a high-pass filter.",
)
foreign(
    "metric",
    "spectral_angle",
    "torchmetrics.image.SpectralAngleMapper",
    "Angle between the spectra of pixels in radians, for images of several channels.",
)
foreign(
    "metric",
    "pearson",
    "torchmetrics.regression.PearsonCorrCoef",
    "Linear correlation of numbers (N,).",
)
foreign(
    "metric",
    "spearman",
    "torchmetrics.regression.SpearmanCorrCoef",
    "Correlation of the ranks of numbers (N,); keeps all of them.",
)
foreign(
    "metric",
    "concordance",
    "torchmetrics.regression.ConcordanceCorrCoef",
    "Agreement of numbers (N,): correlation that a shift or scale lowers (Lin).",
)
foreign(
    "metric",
    "cosine_similarity",
    "torchmetrics.regression.CosineSimilarity",
    "Cosine of the angle between vectors (N, D), mean over them; keeps all of them.",
    reduction="mean",
)
foreign(
    "metric",
    "jensen_shannon",
    "torchmetrics.regression.JensenShannonDivergence",
    "Distance of distributions (N, D) whose rows sum to 1, symmetric.",
)
foreign(
    "metric",
    "log_cosh",
    "torchmetrics.regression.LogCoshError",
    "Mean logarithm of the hyperbolic cosine of the errors of numbers (N,).",
)
foreign(
    "metric",
    "mape",
    "torchmetrics.regression.MeanAbsolutePercentageError",
    "Mean absolute error as a share of the truth, which should not be near 0.",
)
foreign(
    "metric",
    "smape",
    "torchmetrics.regression.SymmetricMeanAbsolutePercentageError",
    "Mean absolute error as a share of the mean of truth and prediction, 0..2.",
)
foreign(
    "metric",
    "msle",
    "torchmetrics.regression.MeanSquaredLogError",
    "Mean squared error of log(1 + value), for values above -1.",
)
