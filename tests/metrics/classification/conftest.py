"""Real probabilities: scanned digits of scikit-learn, as a classifier that was fitted to half of them sees the rest."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression


@pytest.fixture(scope="session")
def digits():
    """Probabilities (898, 10) in fp32 and labels (898,)."""
    images, labels = load_digits(return_X_y=True)
    images = images / 16 + np.random.default_rng(0).normal(0, 0.6, images.shape)
    fitted = LogisticRegression(max_iter=200).fit(images[::2], labels[::2])
    return fitted.predict_proba(images[1::2]).astype(np.float32), labels[1::2]
