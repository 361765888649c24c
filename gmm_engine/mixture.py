"""A Gaussian mixture as a value, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from gmm_engine import sampling, validation
from gmm_engine.covariance import CovarianceStructure, Moments, structure_of
from gmm_engine.errors import InvalidParametersError
from gmm_engine.frame import Frame, powers_of_two
from gmm_engine.kernels.density import Density, Parameters, prepare
from gmm_engine.kernels.dispatch import kernel_for
from gmm_engine.sources import ArraySource, Block
from gmm_engine.team import n_processors, team_of
from gmm_engine.types import AnyArray, FloatArray, IntArray

if TYPE_CHECKING:
    from gmm_engine.kernels.fast import Kernel

_WEIGHT_TOLERANCE = 1e-6
_SYMMETRY_TOLERANCE = 1e-8
# Operations below which starting threads costs more than it saves: a millisecond.
_WORTH_THREADS = 3e7


@dataclass(frozen=True, eq=False, repr=False)
class GaussianMixture:
    """Weights, means and covariances of a Gaussian mixture.

    The arrays are copied, checked and made read-only, so an instance is a value: it can
    be shared between threads and caches.

    Parameters
    ----------
    weights : (K,), positive, summing to one.
    means : (K, D), in the units of the data.
    covariances : in those units squared; full (K, D, D), tied (D, D), diag (K, D),
        spherical (K,).
    covariance_type : "full", "tied", "diag", "spherical" or mclust's code for one.

    Raises
    ------
    InvalidParametersError
        If shapes, weights or covariances are not those of a mixture.

    Examples
    --------
    >>> mixture = GaussianMixture([0.5, 0.5], [[-2.0], [2.0]], [1.0, 1.0], "spherical")
    >>> mixture.predict([[-1.5], [3.0]])
    array([0, 1])
    >>> mixture.score_samples([[0.0]]).round(6)
    array([-2.918939])
    """

    weights: FloatArray
    means: FloatArray
    covariances: FloatArray
    covariance_type: str = "full"

    def __init__(
        self,
        weights: object,
        means: object,
        covariances: object,
        covariance_type: str = "full",
    ) -> None:
        structure = structure_of(covariance_type)
        arrays = {
            name: validation.as_numbers(value, name, InvalidParametersError)
            for name, value in (
                ("weights", weights),
                ("means", means),
                ("covariances", covariances),
            )
        }
        checked = _checked(**arrays, structure=structure)
        self._set(*checked, structure)
        self._require_positive_definite()

    @classmethod
    def _trusted(
        cls,
        weights: FloatArray,
        means: FloatArray,
        covariances: FloatArray,
        structure: CovarianceStructure,
    ) -> GaussianMixture:
        """Return a mixture of arrays that are known to be right, and are not copied."""
        mixture = cls.__new__(cls)
        mixture._set(weights, means, covariances, structure)
        return mixture

    def _set(
        self,
        weights: FloatArray,
        means: FloatArray,
        covariances: FloatArray,
        structure: CovarianceStructure,
    ) -> None:
        for name, array in (
            ("weights", weights),
            ("means", means),
            ("covariances", covariances),
        ):
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        object.__setattr__(self, "covariance_type", structure.name)

    def _require_positive_definite(self) -> None:
        self._structure.whiten(self.covariances, self.n_features)

    def __repr__(self) -> str:
        return (
            f"GaussianMixture(n_components={self.n_components}, "
            f"n_features={self.n_features}, covariance_type={self.covariance_type!r})"
        )

    @property
    def n_components(self) -> int:
        return len(self.weights)

    @property
    def n_features(self) -> int:
        return int(self.means.shape[1])

    @property
    def n_parameters(self) -> int:
        """Return the number of free parameters: weights, means and covariances."""
        k, d = self.n_components, self.n_features
        return k - 1 + k * d + self._structure.n_parameters(k, d)

    def full_covariances(self) -> FloatArray:
        """Return the covariances as matrices, (K, D, D), whatever the structure."""
        matrices = self._structure.expand(
            self.covariances, self.n_components, self.n_features
        )
        return np.array(matrices)

    def score_samples(self, X: object) -> FloatArray:
        r"""Return the log density of each row, (N,), in nats.

        .. math:: \ln p(x_n) = \ln \sum_k \pi_k \mathcal{N}(x_n \mid \mu_k, \Sigma_k)

        References
        ----------
        Bishop (2006), Pattern Recognition and Machine Learning, eq. 9.7.
        """
        rows = self._rows(X)
        densities = np.empty(len(rows))
        kernel = self._kernel
        self._map(
            rows,
            lambda block: kernel.log_densities(
                block.rows, densities[block.start : block.stop]
            ),
        )
        densities -= self._density.frame.log_volume
        return densities

    def score(self, X: object) -> float:
        """Return the mean log density of the rows, in nats."""
        return float(self.score_samples(X).mean())

    def predict(self, X: object) -> IntArray:
        """Return the most probable component of each row, (N,)."""
        rows = self._rows(X)
        labels = np.empty(len(rows), dtype=np.int64)
        kernel = self._kernel
        self._map(
            rows,
            lambda block: kernel.labels(block.rows, labels[block.start : block.stop]),
        )
        return labels

    def predict_proba(self, X: object) -> FloatArray:
        """Return the responsibility of each component for each row, (N, K).

        References
        ----------
        Bishop (2006), eq. 9.13.
        """
        rows = self._rows(X)
        probabilities = np.empty((len(rows), self.n_components))
        kernel = self._kernel
        self._map(
            rows,
            lambda block: kernel.probabilities(
                block.rows, probabilities[block.start : block.stop]
            ),
        )
        return probabilities

    def sample(
        self,
        n_samples: int = 1,
        random_state: int | np.random.Generator | None = None,
    ) -> tuple[FloatArray, IntArray]:
        """Return n_samples rows drawn from the mixture, and their components."""
        n_samples = validation.as_count(n_samples, "n_samples", least=0)
        rng = np.random.default_rng(validation.as_seed(random_state))
        return sampling.sample(
            self.weights,
            self.means,
            self._structure.expand(
                self.covariances, self.n_components, self.n_features
            ),
            n_samples,
            rng,
        )

    def bic(self, X: object) -> float:
        """Return -2 ln L + n_parameters ln N on X; smaller is better (mclust: larger).

        References
        ----------
        Schwarz (1978), Estimating the dimension of a model.
        """
        densities = self.score_samples(X)
        penalty = self.n_parameters * np.log(len(densities))
        return float(-2 * densities.sum() + penalty)

    def aic(self, X: object) -> float:
        """Return -2 ln L + 2 n_parameters on X; smaller is better.

        References
        ----------
        Akaike (1974), A new look at the statistical model identification.
        """
        return float(-2 * self.score_samples(X).sum() + 2 * self.n_parameters)

    @cached_property
    def _structure(self) -> CovarianceStructure:
        return structure_of(self.covariance_type)

    @cached_property
    def _density(self) -> Density:
        frame = self._own_frame()
        return prepare(enter_frame(self, frame), frame)

    @cached_property
    def _kernel(self) -> Kernel:
        return kernel_for(self._density)

    def _map(self, rows: AnyArray, function: Callable[[Block], None]) -> None:
        """Call the function for all blocks, on threads where there is enough to do."""
        cost_per_row = self._kernel.cost_per_row
        is_large = len(rows) * cost_per_row > _WORTH_THREADS
        with team_of(n_processors() if is_large else 1) as team:
            source = ArraySource(rows, team=team)
            source.reduce(function, lambda *_: None, cost_per_row=cost_per_row)

    def _own_frame(self) -> Frame:
        """Return a frame round the mixture: its mean, and its spread."""
        center = self.weights @ self.means
        within = self._structure.variances(
            self.covariances, self.n_components, self.n_features
        )
        spread = np.sqrt(within.max(axis=0)) + np.abs(self.means - center).max(axis=0)
        if self._structure.isotropic:
            spread = np.full_like(spread, spread.max())
        return Frame(center, powers_of_two(spread))

    def _rows(self, X: object) -> AnyArray:
        rows = validation.as_rows(X)
        validation.require_features(rows, self.n_features)
        validation.require_finite(rows)
        return rows


def enter_frame(mixture: GaussianMixture, frame: Frame) -> Parameters:
    """Return the parameters of a mixture in the coordinates of `frame`."""
    structure = structure_of(mixture.covariance_type)
    return Parameters(
        mixture.weights,
        (mixture.means - frame.center) / frame.scale,
        structure.rescale(mixture.covariances, 1 / frame.scale),
        structure,
    )


def leave_frame(parameters: Parameters, frame: Frame) -> GaussianMixture:
    """Return the mixture, in the data's units, of parameters in `frame`."""
    structure = parameters.structure
    covariances = structure.rescale(parameters.covariances, frame.scale)
    if structure.moments in (Moments.FULL, Moments.POOLED):
        # Matrix products are symmetric but for the last bit, and a mixture made from
        # these very numbers must be equal to this one.
        covariances = 0.5 * (covariances + covariances.swapaxes(-1, -2))
    return GaussianMixture._trusted(
        parameters.weights.copy(), frame.leave(parameters.means), covariances, structure
    )


def _checked(
    weights: FloatArray,
    means: FloatArray,
    covariances: FloatArray,
    structure: CovarianceStructure,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    if means.ndim != 2 or 0 in means.shape:
        raise InvalidParametersError(
            f"expected means of shape (n_components, n_features); got {means.shape}",
            argument="means",
        )
    n_components, n_features = means.shape
    validation.require_shape("means", means, (n_components, n_features))
    validation.require_shape("weights", weights, (n_components,))
    validation.require_shape(
        "covariances", covariances, structure.shape(n_components, n_features)
    )
    total = weights.sum()
    if weights.min() <= 0 or abs(total - 1) > _WEIGHT_TOLERANCE:
        raise InvalidParametersError(
            f"expected positive weights that sum to one; got a smallest weight of "
            f"{weights.min():g} and a sum of {total:g}; drop components of weight zero",
            argument="weights",
        )
    if abs(total - 1) > 1e-12:
        weights = weights / total
    if structure.moments in (Moments.FULL, Moments.POOLED):
        covariances = _symmetric(covariances)
    return weights, means, covariances


def _symmetric(matrices: FloatArray) -> FloatArray:
    transposed = matrices.swapaxes(-1, -2)
    variances = np.diagonal(matrices, axis1=-2, axis2=-1)
    # The roots first: the product of two variances may overflow.
    spread = np.sqrt(np.abs(variances))
    scale = spread[..., :, None] * spread[..., None, :]
    if (np.abs(matrices - transposed) > _SYMMETRY_TOLERANCE * scale).any():
        raise InvalidParametersError(
            "expected symmetric covariances; give the same number above and below "
            "the diagonal",
            argument="covariances",
        )
    return np.asarray(0.5 * (matrices + transposed))
