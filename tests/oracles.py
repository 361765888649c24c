"""Slow, obvious second implementations, to compare the engine with."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from gmm_engine import GaussianMixture
from gmm_engine.types import FloatArray, IntArray

REFERENCE = Path(__file__).parent / "data" / "reference"
# mclust's names; in one dimension it has only E and V.
COVARIANCE_TYPE_OF = {
    "VVV": "full",
    "EEE": "tied",
    "VVI": "diag",
    "VII": "spherical",
    "E": "tied",
    "V": "full",
}


@dataclass(frozen=True)
class MclustRow:
    """One line of mclust_log_likelihoods.csv; None where mclust says NA."""

    dataset: str
    model: str
    n_components: int
    after_one_m_step: float | None
    converged: float | None
    n_parameters: int

    def __str__(self) -> str:
        return f"{self.dataset}-{self.model}-{self.n_components}"


def mclust_rows() -> Iterator[MclustRow]:
    """Yield mclust's results for the structures that the engine has."""
    with (REFERENCE / "mclust_log_likelihoods.csv").open() as file:
        for row in csv.DictReader(file):
            if row["model"] in COVARIANCE_TYPE_OF:
                yield MclustRow(
                    row["dataset"],
                    row["model"],
                    int(row["G"]),
                    _number(row["ll_after_one_mstep"]),
                    _number(row["ll_converged"]),
                    int(row["df"]),
                )


def _number(text: str) -> float | None:
    return None if text == "NA" else float(text)


def reference_data(name: str) -> FloatArray:
    """Return one of the classic data sets, (N, D)."""
    path = REFERENCE / f"{name}.csv"
    return np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)


def start_labels(name: str, n_components: int) -> IntArray:
    """Return the labels, from 0, that mclust's numbers were computed from."""
    path = REFERENCE / f"{name}_start_labels_G2to5.csv"
    labels = np.loadtxt(path, delimiter=",", skiprows=1, dtype=np.int64)
    return labels[:, n_components - 2] - 1


def iris_covariances(code: str) -> FloatArray:
    """Return mclust's covariances (3, 4, 4) after one M-step on iris, G = 3."""
    text = (REFERENCE / "iris_G3_one_mstep_sigma.txt").read_text()
    section = text.split(f"## {code} \n")[1].split("##")[0]
    numbers = re.search(r"c\(([^)]*)\)", section)
    assert numbers is not None
    values = [float(number) for number in numbers[1].split(",")]
    # R is column-major: the component varies slowest.
    return np.array(values).reshape(3, 4, 4)


def log_joint(mixture: GaussianMixture, X: FloatArray) -> FloatArray:
    """Return ln π_k 𝒩(x_n | k) by scipy, (N, K)."""
    return np.stack(
        [
            np.log(weight)
            + multivariate_normal(mean, covariance, allow_singular=False).logpdf(X)
            for weight, mean, covariance in zip(
                mixture.weights, mixture.means, mixture.full_covariances(), strict=True
            )
        ],
        axis=-1,
    ).reshape(len(X), mixture.n_components)


def em_iteration(mixture: GaussianMixture, X: FloatArray) -> GaussianMixture:
    """Return the mixture after one textbook EM iteration, without regularization."""
    joint = log_joint(mixture, X)
    responsibilities = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
    counts = responsibilities.sum(axis=0)
    means = responsibilities.T @ X / counts[:, None]
    scatters = np.stack(
        [
            (r[:, None] * (X - mean)).T @ (X - mean)
            for r, mean in zip(responsibilities.T, means, strict=True)
        ]
    )
    covariances = {
        "full": lambda: scatters / counts[:, None, None],
        "tied": lambda: scatters.sum(axis=0) / len(X),
        "diag": lambda: np.diagonal(scatters, axis1=1, axis2=2) / counts[:, None],
        "spherical": lambda: (
            np.trace(scatters, axis1=1, axis2=2) / (counts * X.shape[1])
        ),
    }[mixture.covariance_type]()
    return GaussianMixture(counts / len(X), means, covariances, mixture.covariance_type)
