"""The training step in JAX: jax.jit with donated buffers, one call a step, or the loop inside."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from benchmarks.contest import Entry, Work, fingerprint
from benchmarks.networks import BETA1, BETA2, EPS, Network


def loss_of(network: Network) -> Callable:
    """The loss as a function of the parameters."""
    import jax
    import jax.numpy as jnp

    activation = {"tanh": jnp.tanh, "relu": jax.nn.relu}[network.activation]

    def loss(params: Any, x: Any, y: Any) -> Any:
        *hidden, (w, b) = params
        for v, c in hidden:
            x = activation(x @ v.T + c)
        z = x @ w.T + b
        if network.loss == "mse":
            return jnp.mean((z - y) ** 2)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], 1))

    return loss


def step_of(network: Network) -> tuple[Callable, Callable]:
    """``step(state, x, y) -> (state, loss)``, and the state from parameters."""
    import jax
    import jax.numpy as jnp

    value_and_grad, tree = jax.value_and_grad(loss_of(network)), jax.tree_util.tree_map
    lr = network.lr

    def sgd(params: Any, x: Any, y: Any) -> Any:
        loss, grads = value_and_grad(params, x, y)
        return tree(lambda p, g: p - lr * g, params, grads), loss

    def adam(state: Any, x: Any, y: Any) -> Any:
        params, m, v, t = state
        loss, grads = value_and_grad(params, x, y)
        t = t + 1
        m = tree(lambda m, g: BETA1 * m + (1 - BETA1) * g, m, grads)
        v = tree(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, v, grads)
        rate, root = lr / (1 - BETA1**t), jnp.sqrt(1 - BETA2**t)
        params = tree(lambda p, m, v: p - rate * m / (jnp.sqrt(v) / root + EPS), params, m, v)
        return (params, m, v, t), loss

    def with_moments(params: Any) -> Any:
        return params, tree(jnp.zeros_like, params), tree(jnp.zeros_like, params), jnp.zeros(())

    return (adam, with_moments) if network.optimizer == "adam" else (sgd, lambda params: params)


def trained(network: Network, wrap: Callable[[Callable], Callable], steps: int) -> Work:
    """The work, after as many steps as the evidence is about. Calls are queued, and waited for at the end."""
    import jax
    import jax.numpy as jnp

    arrays, x, y = network.problem()
    step, start = step_of(network)
    x, y = jnp.asarray(x), jnp.asarray(y, jnp.int32) if network.loss == "cross_entropy" else jnp.asarray(y)
    params = [(jnp.asarray(w), jnp.asarray(b)) for w, b in zip(arrays[::2], arrays[1::2], strict=True)]
    state = start(params)
    compiled = jax.jit(wrap(step), donate_argnums=(0,))
    loss = None

    def run() -> None:
        nonlocal state, loss
        state, loss = compiled(state, x, y)

    for _ in range(network.steps // steps):
        run()
    last = state[0] if network.optimizer == "adam" else state
    evidence = [float(loss), *fingerprint(*(array for pair in last for array in pair))]
    return Work(run, evidence, scale=1 / steps, finish=lambda: jax.block_until_ready((state, loss)))


def with_fori_loop(steps: int, unroll: int, step: Callable) -> Callable:
    """All steps in one call."""
    import jax

    def many(state: Any, x: Any, y: Any) -> Any:
        return jax.lax.fori_loop(0, steps, lambda _, both: step(both[0], x, y), (state, 0.0), unroll=unroll)

    return many


def with_scan(steps: int, step: Callable) -> Callable:
    """All steps in one call, their losses kept."""
    import jax

    def many(state: Any, x: Any, y: Any) -> Any:
        state, losses = jax.lax.scan(lambda state, _: step(state, x, y), state, length=steps)
        return state, losses[-1]

    return many


def entries(network: Network, unroll: int = 0) -> Iterator[Entry]:
    """The loop first."""
    steps = network.steps
    yield Entry("jax.jit, fori_loop", "jax", partial(trained, network, partial(with_fori_loop, steps, 1), steps))
    if unroll:
        wrap = partial(with_fori_loop, steps, unroll)
        yield Entry(f"jax.jit, fori_loop unrolled by {unroll}", "jax", partial(trained, network, wrap, steps))
    yield Entry("jax.jit, scan", "jax", partial(trained, network, partial(with_scan, steps), steps))
    yield Entry("jax.jit, one call a step", "jax", partial(trained, network, lambda step: step, 1))
