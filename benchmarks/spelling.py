"""One formula, several libraries: the functions that a row's formula uses, and entries for its derivatives.

A formula is written once, as ``objective(xp)`` that gives a function of arrays; `xp` is what this module makes for each
library.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.contest import Entry, Work, fingerprint

Objective = Callable[[Any], Callable[..., Any]]
Arrays = Callable[[], Sequence[np.ndarray]]


def retrograd_spelling() -> SimpleNamespace:
    """The functions as retrograd has them."""
    import retrograd as rg

    return SimpleNamespace(
        array=rg.tensor, exp=rg.exp, log=rg.log, tanh=rg.tanh, sqrt=rg.sqrt, erf=rg.erf, sum=rg.sum, mean=rg.mean,
        relu=rg.relu, softplus=rg.softplus, logsumexp=rg.logsumexp, matmul=rg.matmul, swapaxes=rg.swapaxes,
        concat=lambda parts, axis: rg.concat(parts, axis=axis),
        columns=lambda x, places: rg.take(x, places, axis=1), places=rg.tensor,
        zeros=lambda *shape: rg.tensor(np.zeros(shape)), scan=rg.scan,
    )  # fmt: skip


def jax_spelling() -> SimpleNamespace:
    """The functions as JAX has them."""
    import jax
    import jax.numpy as jnp

    return SimpleNamespace(
        array=jnp.asarray, exp=jnp.exp, log=jnp.log, tanh=jnp.tanh, sqrt=jnp.sqrt, erf=jax.lax.erf, sum=jnp.sum,
        mean=jnp.mean, relu=jax.nn.relu, softplus=jax.nn.softplus, logsumexp=jax.nn.logsumexp, matmul=jnp.matmul,
        swapaxes=jnp.swapaxes, concat=jnp.concatenate, columns=lambda x, places: x[:, places], places=jnp.asarray,
        zeros=lambda *shape: jnp.zeros(shape), scan=jax.lax.scan, cumsum=jnp.cumsum,
    )  # fmt: skip


def torch_spelling() -> SimpleNamespace:
    """The functions as PyTorch has them."""
    import torch

    def scan(f: Callable, carry: Any, xs: Any) -> Any:
        for x in xs:
            carry, _ = f(carry, x)
        return carry, None

    return SimpleNamespace(
        array=torch.from_numpy, exp=torch.exp, log=torch.log, tanh=torch.tanh, sqrt=torch.sqrt, erf=torch.erf,
        sum=torch.sum, mean=torch.mean, relu=torch.relu, softplus=torch.nn.functional.softplus,
        logsumexp=torch.logsumexp, matmul=torch.matmul, swapaxes=torch.swapaxes,
        concat=torch.cat, columns=lambda x, places: x[:, places], places=torch.from_numpy,
        zeros=lambda *shape: torch.zeros(shape, dtype=torch.float64), scan=scan, cumsum=torch.cumsum,
    )  # fmt: skip


def shown(result: Any) -> list[float]:
    """The evidence in nested tuples of arrays of any library."""
    if isinstance(result, (tuple, list)):
        return [number for part in result for number in shown(part)]
    return fingerprint(result.detach().numpy() if hasattr(result, "detach") else result)


def with_retrograd(transform: Callable[[Any, Any], Any], objective: Objective, arrays: Arrays) -> Work:
    """`transform(rg, f)` jitted."""
    import retrograd as rg

    f = rg.jit(transform(rg, objective(retrograd_spelling())))
    args = [rg.tensor(a) for a in arrays()]
    return Work(lambda: f(*args), shown(f(*args)))


def with_jax(transform: Callable[[Any, Any], Any], objective: Objective, arrays: Arrays) -> Work:
    """`transform(jax, f)` under jax.jit; each result is waited for, or independent calls would run at the same time."""
    import jax
    import jax.numpy as jnp

    f = jax.jit(transform(jax, objective(jax_spelling())))
    args = [jnp.asarray(a) for a in arrays()]
    return Work(lambda: jax.block_until_ready(f(*args)), shown(f(*args)))


def with_torch(transform: Callable[[Any, Any], Any], objective: Objective, arrays: Arrays, compiled: bool) -> Work:
    """`transform(torch.func, f)`, under torch.compile if wanted."""
    import torch

    f = transform(torch.func, objective(torch_spelling()))
    if compiled:
        f = torch.compile(f, fullgraph=True, dynamic=False)
    args = [torch.from_numpy(a) for a in arrays()]
    return Work(lambda: f(*args), shown(f(*args)))


def with_autograd(objective: Objective, arrays: Arrays, argnums: Sequence[int], has_aux: bool) -> Work:
    """torch.autograd.grad."""
    import torch

    f = objective(torch_spelling())
    args = [torch.from_numpy(a).requires_grad_(i in argnums) for i, a in enumerate(arrays())]
    wanted = [args[i] for i in argnums]

    def run() -> Any:
        result = f(*args)
        return result, torch.autograd.grad(result[0] if has_aux else result, wanted)

    return Work(run, shown(run()))


def value_and_grad(argnums: tuple[int, ...], has_aux: bool, library: Any, f: Callable) -> Callable:
    """((value, aux), gradients) in any library."""
    if hasattr(library, "grad_and_value"):  # PyTorch names, and orders, them the other way round
        both = library.grad_and_value(f, argnums=argnums, has_aux=has_aux)
        return lambda *args: both(*args)[::-1]
    return library.value_and_grad(f, argnums=argnums, has_aux=has_aux)


def gradient_entries(
    objective: Objective,
    arrays: Arrays,
    argnums: tuple[int, ...],
    has_aux: bool = False,
    compiles: bool = True,
) -> Iterator[Entry]:
    """Value and gradient of a formula, everywhere; `compiles`: whether torch.compile is to try."""
    transform = partial(value_and_grad, argnums, has_aux)
    yield from entries(transform, objective, arrays, compiles)
    yield Entry("torch eager", "torch", partial(with_autograd, objective, arrays, argnums, has_aux))


def entries(transform: Callable, objective: Objective, arrays: Arrays, compiles: bool = True) -> Iterator[Entry]:
    """Any derivative of a formula in retrograd, JAX and torch.func."""
    yield Entry("retrograd jit", "retrograd", partial(with_retrograd, transform, objective, arrays))
    yield Entry("jax.jit", "jax", partial(with_jax, transform, objective, arrays))
    yield Entry("torch.func", "torch", partial(with_torch, transform, objective, arrays, False))
    if compiles:
        work = partial(with_torch, transform, objective, arrays, True)
        yield Entry("torch.compile", "torch", work, slow=True)
