"""Two pricers with their sensitivities by reverse mode: a Black-Scholes book, and an Asian option by Monte Carlo."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from benchmarks.contest import BY_HAND, Entry, Row, Work
from benchmarks.peak import floors
from benchmarks.spelling import gradient_entries, shown, with_autograd, with_jax, with_torch
from benchmarks.spelling import value_and_grad as in_any

BOOK = 100_000
PATHS, DAYS = 1000, 252
FIVE = (0, 1, 2, 3, 4)


def call_prices(xp: Any) -> Callable:
    """The sum of the prices, whose gradient holds every option's sensitivities, and the prices."""

    def f(spot: Any, strike: Any, rate: Any, volatility: Any, years: Any) -> Any:
        spread = volatility * xp.sqrt(years)
        d1 = (xp.log(spot / strike) + (rate + 0.5 * volatility**2) * years) / spread
        d2 = d1 - spread
        upper, lower = (0.5 * (1.0 + xp.erf(d * math.sqrt(0.5))) for d in (d1, d2))
        prices = spot * upper - strike * xp.exp(-rate * years) * lower
        return xp.sum(prices), prices

    return f


def book(dtype: str) -> Sequence[np.ndarray]:
    """Spot, strike, rate, volatility and years of each option."""
    rng = np.random.default_rng(0)
    ranges = ((50, 150), (50, 150), (0.0, 0.05), (0.1, 0.5), (0.1, 2.0))
    return [rng.uniform(low, high, BOOK).astype(dtype) for low, high in ranges]


def payoff(rate: Any, strike: Any, years: Any, average: Any, xp: Any) -> Any:
    """The discounted mean over paths of what an arithmetic Asian call pays."""
    return xp.exp(-rate * years) * xp.mean(xp.relu(average - strike))


def asian(xp: Any) -> Callable:
    """Day after day: all paths take a step of geometric Brownian motion."""

    def f(spot: Any, strike: Any, rate: Any, volatility: Any, years: Any, normals: Any) -> Any:
        day = years / DAYS
        drift, size = (rate - 0.5 * volatility**2) * day, volatility * xp.sqrt(day)

        def step(carry: Any, normal: Any) -> Any:
            price, total = carry
            price = price * xp.exp(drift + size * normal)
            return (price, total + price), None

        start = xp.zeros(PATHS)
        (_, total), _ = xp.scan(step, (start + spot, start), normals)
        return payoff(rate, strike, years, total / DAYS, xp)

    return f


def asian_at_once(xp: Any) -> Callable:
    """All days at once, by a cumulative sum."""

    def f(spot: Any, strike: Any, rate: Any, volatility: Any, years: Any, normals: Any) -> Any:
        day = years / DAYS
        drift, size = (rate - 0.5 * volatility**2) * day, volatility * xp.sqrt(day)
        prices = spot * xp.exp(xp.cumsum(drift + size * normals, 0))
        return payoff(rate, strike, years, xp.sum(prices, axis=0) / DAYS, xp)

    return f


def contract() -> Sequence[np.ndarray]:
    """Spot, strike, rate, volatility, years, and a normal number for each day and path."""
    numbers = [np.asarray(v, np.float64) for v in (100.0, 100.0, 0.03, 0.2, 1.0)]
    return [*numbers, np.random.default_rng(0).standard_normal((DAYS, PATHS))]


def asian_by_hand() -> Work:
    """Forward along the paths: with S_t = S exp(m t + s W_t) every derivative is a weighted sum of the same prices."""
    spot, strike, rate, volatility, years, normals = contract()
    walks = np.cumsum(normals, axis=0)  # the numbers are given, and so are their sums
    days = np.arange(1, DAYS + 1)[:, None]

    def run() -> Any:
        day = years / DAYS
        root = math.sqrt(day)
        prices = spot * np.exp((rate - 0.5 * volatility**2) * day * days + volatility * root * walks)
        average = prices.sum(0) / DAYS
        paid = average > strike
        discount = math.exp(-rate * years)
        weights = prices[:, paid]
        count = discount / PATHS / DAYS
        by_day, by_walk = (weights * days).sum() * count, np.vdot(weights, walks[:, paid]) * count
        value = discount * np.maximum(average - strike, 0).mean()
        delta = discount * average[paid].sum() / PATHS / spot
        rho = by_day * day - years * value
        vega = root * by_walk - volatility * day * by_day
        theta = (rate - 0.5 * volatility**2) * by_day / DAYS + 0.5 * volatility * root / years * by_walk - rate * value
        return value, (delta, -discount * paid.mean(), rho, vega, theta)

    return Work(run, shown(run()))


def book_row(dtype: str, tolerance: float) -> Row:
    """The book in one precision."""
    size = np.dtype(dtype).itemsize
    return Row(
        f"Black-Scholes: {BOOK:,} calls, prices and five sensitivities of each by reverse mode, {dtype}",
        ("us", 1e6),
        (
            *gradient_entries(call_prices, partial(book, dtype), FIVE, has_aux=True),
            *floors(120.0 * BOOK, 11.0 * size * BOOK, dtype, "some 120 an option, six functions as polynomials"),
        ),
        tolerance=tolerance,
        factor=2,
        wide=dtype == "float64",
    )


def asian_row() -> Row:
    """The Asian option; JAX and PyTorch also in the form without a loop, which suits them."""
    transform = partial(in_any, FIVE, False)
    at_once, numbers = asian_at_once, contract
    return Row(
        f"Asian call by Monte Carlo: {PATHS:,} paths x {DAYS} days, price and five sensitivities, float64",
        ("us", 1e6),
        (
            *gradient_entries(asian, contract, FIVE, compiles=False),
            Entry("jax.jit, cumulative sum", "jax", partial(with_jax, transform, at_once, numbers)),
            Entry("torch eager, cumulative sum", "torch", partial(with_autograd, at_once, numbers, FIVE, False)),
            Entry(
                "torch.compile, cumulative sum", "torch", partial(with_torch, transform, at_once, numbers, True), True
            ),
            Entry(BY_HAND, "numpy", asian_by_hand),
            *floors(40.0 * PATHS * DAYS, 8.0 * PATHS * DAYS, "float64", "some 40 a path and day"),
        ),
        tolerance=1e-9,
        factor=2,
        wide=True,
    )


ROWS = {
    "black_scholes": book_row("float64", 1e-9),
    "black_scholes_f32": book_row("float32", 1e-3),
    "asian": asian_row(),
}
