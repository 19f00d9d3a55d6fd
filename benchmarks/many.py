"""A hundred small networks trained at once on one batch, each from its own start and with its own rate: SGD, MSE."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from benchmarks.contest import Entry, Row, Work, fingerprint
from benchmarks.peak import floors

MODELS, INPUTS, HIDDEN, BATCH, STEPS = 100, 4, 16, 32, 100
# For each model two products forward; backward two for the second layer and one for the first.
FLOP = 2 * MODELS * BATCH * (2 * INPUTS * HIDDEN + 3 * HIDDEN)
SIZE = 4 * (2 * MODELS * (INPUTS * HIDDEN + HIDDEN + HIDDEN + 1) + BATCH * (INPUTS + 1))  # parameters read and written


def problem() -> tuple[list[np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    """Weights and biases of all models, the learning rates, and one batch."""
    rng = np.random.default_rng(0)
    state = []
    for n, m in ((INPUTS, HIDDEN), (HIDDEN, 1)):
        state += [rng.uniform(-(n**-0.5), n**-0.5, (MODELS, *s)).astype(np.float32) for s in ((m, n), (m,))]
    x = rng.standard_normal((BATCH, INPUTS), dtype=np.float32)
    return state, np.linspace(0.01, 0.1, MODELS), x, np.sin(x.sum(axis=1, keepdims=True))


def with_retrograd(loop: bool) -> Work:
    """`rg.nn.stack`, and an array of learning rates."""
    import retrograd as rg
    from retrograd import nn, optim

    state, rates, x, y = problem()
    x, y = rg.tensor(x), rg.tensor(y)
    many = nn.stack([nn.Sequential(nn.Linear(INPUTS, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, 1))] * MODELS)
    for p, value in zip(many.parameters(), state, strict=True):
        p.value = value
    optimizer = optim.SGD(many, lr=rates)

    def step() -> Any:
        optimizer.zero_grad()
        losses = rg.vmap(lambda out: nn.mse_loss(out, y))(many(x))
        rg.sum(losses).backward()
        optimizer.step()
        optimizer.zero_grad()
        return losses

    if not loop:
        return _finished(rg.jit(step), many.parameters, 1)
    zeros = rg.zeros(MODELS)
    return _finished(rg.jit(lambda: rg.fori_loop(0, STEPS, lambda _, __: step(), zeros)), many.parameters, STEPS)


def _finished(run: Callable[[], Any], parameters: Callable[[], Any], steps: int) -> Work:
    for _ in range(STEPS // steps):
        losses = run()
    return Work(run, fingerprint(losses.numpy(), *(p.numpy() for p in parameters())), scale=1 / steps)


def with_jax(wrap: Callable[[Callable], Callable], steps: int) -> Work:
    """jax.vmap of the step of one model."""
    import jax
    import jax.numpy as jnp

    arrays, rates, x, y = problem()
    x, y, rates = jnp.asarray(x), jnp.asarray(y), jnp.asarray(rates, jnp.float32)

    def loss(params: Any) -> Any:
        w, b, v, c = params
        return jnp.mean((jnp.tanh(x @ w.T + b) @ v.T + c - y) ** 2)

    def one(params: Any, rate: Any) -> Any:
        value, grads = jax.value_and_grad(loss)(params)
        return [p - rate * g for p, g in zip(params, grads, strict=True)], value

    step = jax.vmap(one)
    compiled = jax.jit(wrap(lambda state: step(state, rates)), donate_argnums=(0,))
    state, losses = [jnp.asarray(a) for a in arrays], None

    def run() -> None:
        nonlocal state, losses
        state, losses = compiled(state)

    for _ in range(STEPS // steps):
        run()
    return Work(
        run, fingerprint(losses, *state), scale=1 / steps, finish=lambda: jax.block_until_ready((state, losses))
    )


def _fori_loop(step: Callable) -> Callable:
    import jax
    import jax.numpy as jnp

    return lambda state: jax.lax.fori_loop(0, STEPS, lambda _, both: step(both[0]), (state, jnp.zeros(MODELS)))


def _scan(step: Callable) -> Callable:
    import jax

    def many(state: Any) -> Any:
        state, losses = jax.lax.scan(lambda state, _: step(state), state, length=STEPS)
        return state, losses[-1]

    return many


def with_torch(wrap: Callable[[Callable], Callable]) -> Work:
    """torch.func.vmap of the gradient of one model."""
    import torch

    arrays, rates, x, y = problem()
    x, y, rates = torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(rates.astype(np.float32))
    linear = torch.nn.functional.linear

    def loss(params: Any) -> Any:
        w, b, v, c = params
        return torch.nn.functional.mse_loss(linear(torch.tanh(linear(x, w, b)), v, c), y)

    grad_and_value = torch.func.vmap(torch.func.grad_and_value(loss))
    state = tuple(torch.from_numpy(a) for a in arrays)

    def step(state: Any) -> Any:
        grads, values = grad_and_value(state)
        for p, g in zip(state, grads, strict=True):
            p.sub_(rates.reshape(-1, *(1,) * (p.dim() - 1)) * g)
        return values

    wrapped = wrap(step)

    def run() -> Any:
        with torch.no_grad():
            return wrapped(state)

    for _ in range(STEPS):
        losses = run()
    return Work(run, fingerprint(losses.numpy(), *(p.numpy() for p in state)))


def _compiled(f: Callable) -> Callable:
    import torch

    return torch.compile(f, fullgraph=True, dynamic=False)


def entries() -> Iterator[Entry]:
    """The loop first."""
    yield Entry("retrograd jit, loop", "retrograd", partial(with_retrograd, True))
    yield Entry("retrograd jit, one call a step", "retrograd", partial(with_retrograd, False))
    yield Entry("jax.jit of jax.vmap, fori_loop", "jax", partial(with_jax, _fori_loop, STEPS))
    yield Entry("jax.jit of jax.vmap, scan", "jax", partial(with_jax, _scan, STEPS))
    yield Entry("jax.jit of jax.vmap, one call a step", "jax", partial(with_jax, lambda step: step, 1))
    yield Entry("torch.func.vmap", "torch", partial(with_torch, lambda f: f))
    yield Entry("torch.compile of torch.func.vmap", "torch", partial(with_torch, _compiled), slow=True)


ROWS = {
    "many": Row(
        f"Many models: {MODELS} times tanh {INPUTS}-{HIDDEN}-1, batch {BATCH}, float32, MSE, SGD with a rate each; "
        f"{STEPS} steps in a loop",
        ("us a step", 1e6),
        (*entries(), *floors(FLOP, SIZE, what="the products")),
        tolerance=2e-3,  # of float32 losses and weights after all steps
        flop=FLOP,
    )
}
