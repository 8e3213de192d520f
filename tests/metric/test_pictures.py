from __future__ import annotations

import numpy as np
import pytest

from swath.metric.pictures import ssim


def test_ssim_is_that_of_scikit_image():
    metrics = pytest.importorskip("skimage.metrics")
    rng = np.random.default_rng(0)
    a = rng.random((40, 30))
    b = a + 0.2 * rng.standard_normal(a.shape)
    _, want = metrics.structural_similarity(
        a, b, data_range=0.7, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    np.testing.assert_allclose(ssim(a, b, peak=0.7), want, atol=1e-9)


def test_the_same_picture_is_one_and_wrong_input_is_refused():
    a = np.random.default_rng(0).random((20, 20))
    np.testing.assert_allclose(ssim(a, a, peak=1.0), 1.0)
    with pytest.raises(ValueError, match="one shape"):
        ssim(a, a[1:], peak=1.0)
    with pytest.raises(ValueError, match="positive"):
        ssim(a, a, peak=0.0)
