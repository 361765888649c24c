"""A mixture is a value: made again from its own numbers it is the same."""

import numpy as np
import pytest

from gmm_engine import GaussianMixture, fit


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
@pytest.mark.parametrize("scale", [1e-100, 1.0, 1e100])
def test_a_fitted_mixture_made_again_from_its_parameters_is_equal(
    covariance_type, scale
):
    X = np.random.default_rng(0).normal(size=(300, 3)) * scale
    fitted = fit(
        X, 2, covariance_type=covariance_type, reg_covar=0, random_state=0
    ).mixture
    again = GaussianMixture(
        fitted.weights, fitted.means, fitted.covariances, covariance_type
    )
    np.testing.assert_array_equal(again.weights, fitted.weights)
    np.testing.assert_array_equal(again.means, fitted.means)
    np.testing.assert_array_equal(again.covariances, fitted.covariances)
