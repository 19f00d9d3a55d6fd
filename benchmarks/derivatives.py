"""The gradient of Rosenbrock's function and the Hessian of a small dense function, float64."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.contest import BY_HAND, Entry, Row, Work
from benchmarks.peak import floors
from benchmarks.spelling import entries, gradient_entries, shown

LENGTH = 1000
INPUTS, TERMS = 50, 100


def rosenbrock(xp: Any) -> Callable:
    """Rosenbrock (1960), in any number of dimensions."""

    def f(x: Any) -> Any:
        return xp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)

    return f


def point() -> Sequence[np.ndarray]:
    """Where it is differentiated."""
    return (np.random.default_rng(0).standard_normal(LENGTH),)


def rosenbrock_by_hand() -> Work:
    """Value and gradient worked out on paper."""
    (x,) = point()
    g = np.empty_like(x)

    def run() -> Any:
        head = x[:-1]
        a, b = x[1:] - head * head, 1.0 - head
        np.multiply(a, 200.0, out=g[1:])
        g[0] = 0.0
        g[:-1] -= 400.0 * a * head + 2.0 * b
        return 100.0 * (a @ a) + b @ b, g

    return Work(run, shown(run()))


def valley(xp: Any) -> Callable:
    """A sum of softplus of linear forms, and of tanh of them squared."""

    def f(x: Any, a: Any) -> Any:
        z = xp.matmul(a, x)
        return xp.sum(xp.softplus(z)) + xp.sum(xp.tanh(z) ** 2)

    return f


def forms() -> Sequence[np.ndarray]:
    """The point and the linear forms."""
    rng = np.random.default_rng(0)
    return rng.standard_normal(INPUTS), rng.standard_normal((TERMS, INPUTS)) / 10


def hessian(library: Any, f: Callable) -> Callable:
    """Of the first argument, in any library."""
    return library.hessian(f)


def hessian_by_hand() -> Work:
    """A^T diag(d) A with the second derivatives worked out on paper."""
    x, a = forms()

    def run() -> Any:
        z = a @ x
        p, t = 1 / (1 + np.exp(-z)), np.tanh(z)
        d = p * (1 - p) + 2 * (1 - t * t) * (1 - 3 * t * t)
        return (a.T * d) @ a

    return Work(run, shown(run()))


ROWS = {
    "rosenbrock": Row(
        f"Gradient of Rosenbrock's function in {LENGTH:,} dimensions, with its value, float64",
        ("us", 1e6),
        (
            *gradient_entries(rosenbrock, point, (0,)),
            Entry(BY_HAND, "numpy", rosenbrock_by_hand),
            *floors(14.0 * LENGTH, 16.0 * LENGTH, "float64"),
        ),
        tolerance=1e-10,
        factor=3,
        wide=True,
    ),
    "hessian": Row(
        f"Hessian of a sum of {TERMS} softplus and tanh terms in {INPUTS} dimensions, float64",
        ("us", 1e6),
        (
            *entries(hessian, valley, forms),
            Entry(BY_HAND, "numpy", hessian_by_hand),
            *floors(2.0 * TERMS * INPUTS * (INPUTS + 1), 8.0 * (TERMS * INPUTS + INPUTS**2), "float64", "A^T D A"),
        ),
        tolerance=1e-10,
        factor=3,
        wide=True,
    ),
}
