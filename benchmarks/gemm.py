"""Products of large matrices, float32: what the large training row spends its time on."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from benchmarks.contest import Entry, Row, Work, fingerprint
from benchmarks.peak import floors


def operands(rows: int, inner: int, columns: int) -> Iterator[np.ndarray]:
    """Two matrices, one after the other."""
    rng = np.random.default_rng(0)
    yield rng.standard_normal((rows, inner), np.float32)
    yield rng.standard_normal((inner, columns), np.float32)


def with_retrograd(shape: tuple[int, int, int]) -> Work:
    """A jitted product."""
    import retrograd as rg

    a, b = map(rg.tensor, operands(*shape))
    product = rg.jit(rg.matmul)
    return Work(lambda: product(a, b), fingerprint(product(a, b)))


def with_jax(shape: tuple[int, int, int]) -> Work:
    """The same under jax.jit."""
    import jax
    import jax.numpy as jnp

    a, b = map(jnp.asarray, operands(*shape))
    product = jax.jit(jnp.matmul)
    return Work(lambda: product(a, b).block_until_ready(), fingerprint(product(a, b)))


def with_torch(shape: tuple[int, int, int]) -> Work:
    """torch.mm into a given matrix."""
    import torch

    a, b = map(torch.from_numpy, operands(*shape))
    out = torch.mm(a, b)
    return Work(lambda: torch.mm(a, b, out=out), fingerprint(out.numpy()))


def with_numpy(shape: tuple[int, int, int]) -> Work:
    """NumPy's BLAS, into a given matrix."""
    a, b = operands(*shape)
    out = a @ b
    return Work(lambda: np.matmul(a, b, out=out), fingerprint(out))


def row(rows: int, inner: int, columns: int) -> Row:
    """One shape, everywhere."""
    shape = (rows, inner, columns)
    flop, size = 2.0 * rows * inner * columns, 4.0 * (rows * inner + inner * columns + rows * columns)
    peers: tuple[tuple[str, str, Callable], ...] = (
        ("retrograd jit", "retrograd", with_retrograd),
        ("jax.jit", "jax", with_jax),
        ("torch.mm", "torch", with_torch),
        ("NumPy", "numpy", with_numpy),
    )
    return Row(
        f"Matrix product {rows} x {inner} x {columns}, float32 (aim: 85% of the peak)",
        ("ms", 1e3),
        (*(Entry(name, library, partial(make, shape)) for name, library, make in peers), *floors(flop, size)),
        tolerance=1e-4,
        factor=1.0,
        flop=flop,
    )


ROWS = {"gemm": row(2048, 2048, 2048), "gemm_thin": row(256, 2048, 2048)}
