"""The likelihood of a Gaussian mixture with its gradient, float64.

Objective and sizes are those of ADBench: Srajer, Kukelova, Fitzgibbon (2018), "A benchmark of selected algorithmic
differentiation tools on some problems in computer vision and machine learning", section 4.1.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.contest import Row
from benchmarks.peak import floors
from benchmarks.spelling import gradient_entries

D, K, N = 10, 25, 1000
GAMMA, M = 1.0, 0  # of the Wishart prior


def places() -> np.ndarray:
    """Where each element of the flat D x D factor lies in (diagonal, below it by columns, 0)."""
    at = np.full((D, D), D + D * (D - 1) // 2)
    at[np.diag_indices(D)] = np.arange(D)
    columns, rows = np.triu_indices(D, 1)
    at[rows, columns] = D + np.arange(len(rows))
    return at.reshape(-1)


def log_multivariate_gamma(a: float) -> float:
    """Of dimension D."""
    return D * (D - 1) / 4 * math.log(math.pi) + sum(math.lgamma(a + (1 - j) / 2) for j in range(1, D + 1))


def objective(xp: Any) -> Callable:
    """The log-likelihood with its prior, of weights (K), means (K, D), inverse covariance factors (K, D(D+1)/2), x."""
    at = xp.places(places())
    degrees = D + M + 1
    prior_constant = K * (degrees * D * (math.log(GAMMA) - 0.5 * math.log(2)) - log_multivariate_gamma(0.5 * degrees))
    constant = -N * D * 0.5 * math.log(2 * math.pi) - prior_constant

    def f(alphas: Any, means: Any, icf: Any, x: Any) -> Any:
        logs, below = icf[:, :D], icf[:, D:]
        diagonal, sums = xp.exp(logs), xp.sum(logs, axis=1)
        packed = xp.concat([diagonal, below, xp.zeros(K, 1)], axis=1)
        factors = xp.columns(packed, at).reshape(K, D, D)
        centred = x[None, :, :] - means[:, None, :]
        scaled = xp.matmul(centred, xp.swapaxes(factors, 1, 2))
        terms = (alphas + sums)[:, None] - 0.5 * xp.sum(scaled**2, axis=2)
        likelihood = xp.sum(xp.logsumexp(terms, axis=0)) - N * xp.logsumexp(alphas, axis=0)
        prior = 0.5 * GAMMA**2 * (xp.sum(diagonal**2) + xp.sum(below**2)) - M * xp.sum(sums)
        return likelihood + prior + constant

    return f


def problem() -> Sequence[np.ndarray]:
    """As ADBench draws it."""
    rng = np.random.default_rng(0)
    icf = rng.standard_normal((K, D + D * (D - 1) // 2))
    return rng.standard_normal(K), rng.random((K, D)), icf, rng.standard_normal((N, D))


ROWS = {
    "gmm": Row(
        f"ADBench's Gaussian mixture likelihood with its gradient: d={D}, k={K}, n={N:,}, float64",
        ("us", 1e6),
        (
            *gradient_entries(objective, problem, (0, 1, 2)),
            *floors(6.0 * N * K * D * D, 8.0 * N * D, "float64", "the products"),
        ),
        tolerance=1e-9,
        factor=3,
        wide=True,
    )
}
