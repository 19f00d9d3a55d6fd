"""Functions of a vector, each made of other parts of the library: what the composition tests differentiate."""

import numpy as np

import retrograd as rg

N = 3
POINT = np.array([0.3, -0.7, 1.1])
MATRIX = np.array([[0.5, -0.2, 0.1], [0.3, 0.4, -0.6], [-0.1, 0.2, 0.7]])


def plain(x):
    return rg.sum(rg.sin(x) * rg.exp(-x * x)) + x[0] * x[1] * x[2]


def network(x):
    hidden = rg.tanh(rg.affine(x, MATRIX, np.array([0.1, -0.2, 0.3])))
    return rg.logsumexp(MATRIX @ hidden) - hidden[0]


def movement(x):
    y = rg.pad(rg.flip(x), 1).reshape(5)[::2]
    z = rg.concatenate([y, x[1:]])
    return rg.sum(rg.square(z)) * rg.take(z, np.array([1, 1, 3])).sum() + rg.sum(z.at[1].set(x[2] ** 3))


def selection(x):
    return rg.sum(rg.where(x > 0, rg.square(x), rg.sin(x))) + rg.max(x * MATRIX) + rg.sum(rg.clip(x, -0.5, 0.5) ** 3)


def powers(x):
    base = rg.softplus(x) + 0.5
    return rg.sum(rg.power(base, x)) + rg.sum(x**3) + rg.sum(rg.sqrt(base) / base) + rg.std(x)


def jitted(x):
    inner = rg.jit(lambda v: (rg.tanh(v) * v, v[0]))
    a, b = inner(x)
    return rg.sum(a) * b


def checkpointed(x):
    return rg.sum(rg.checkpoint(lambda v: rg.sin(v) * rg.cos(v))(x) * x)


@rg.custom_vjp
def cubed(x):
    return x * x * x


cubed.defvjp(lambda x: (x * x * x, x), lambda x, ct: (3.0 * x * x * ct,))


def custom(x):
    return rg.sum(cubed(x) * x) + cubed(x[0])


def scanned(x):
    def step(carry, row):
        after = rg.tanh(carry * row + x)
        return after, rg.sum(after)

    last, stacked = rg.scan(step, x, MATRIX)
    return rg.sum(last) * rg.sum(stacked**2)


def looped(x):
    return rg.sum(rg.fori_loop(0, 4, lambda i, v: rg.sin(v) * x + 0.1 * i, x))


def bounded_while(x):
    halve = lambda v: v * 0.5 + 0.1 * x
    return rg.sum(rg.while_loop(lambda v: rg.sum(v * v) > 0.3, halve, x * x, max_iterations=6))


def conditional(x):
    return rg.cond(x[0] > 0, lambda v: rg.sum(v**3), lambda v: rg.sum(rg.exp(v)), x) * x[1]


def batched(x):
    return rg.sum(rg.vmap(lambda row, v: rg.tanh(row @ x) * v)(MATRIX, x))


def gradient_inside(x):
    return rg.sum(rg.grad(lambda v: rg.sum(rg.sin(v * x)))(x * x))


def tangent_inside(x):
    value, tangent = rg.jvp(lambda v: rg.tanh(v) * x, (x,), (x * x,))
    return rg.sum(value * tangent)


def hessian_inside(x):
    return rg.sum(rg.hessian(lambda v: rg.sum(v**4) + v[0] * v[1] * rg.sum(x))(x))


def jacobian_inside(x):
    return rg.sum(rg.jacobian(lambda v: MATRIX @ rg.sin(v) * x)(x) ** 2)


def fan_out(x):
    y = rg.sin(x)
    total = y
    for _ in range(6):
        total = total + y * total * 0.3
    return rg.sum(total)


def scan_in_vmap_in_grad(x):
    def rolled(row):
        return rg.scan(lambda c, v: (rg.sin(c + v), c), rg.sum(row * x), x)[0]

    return rg.sum(rg.grad(lambda v: rg.sum(rg.vmap(rolled)(MATRIX * v)))(x))


def everything(x):
    @rg.jit
    def layer(v):
        return rg.checkpoint(lambda w: rg.tanh(MATRIX @ w))(v) + cubed(v)

    deep = rg.fori_loop(0, 3, lambda _, v: 0.3 * layer(v), x)
    return rg.cond(rg.sum(deep) > 0, lambda v: rg.sum(v**2), lambda v: rg.sum(rg.vmap(rg.exp)(v)), deep)


@rg.custom_jvp
def damped(x):
    return rg.sin(x) * rg.exp(-x)


@damped.defjvp
def _damped_pushed(primals, tangents):
    (x,), (t,) = primals, tangents
    y = damped(x)
    return y, (rg.cos(x) * rg.exp(-x) - y) * t


def custom_forward(x):
    return rg.sum(damped(x) * x) + damped(x[0] * x[1])


def linearized(x):
    value, push = rg.linearize(lambda v: rg.scan(lambda c, row: (rg.tanh(row @ c * v), c[0]), v, MATRIX)[0], x)
    return rg.sum(push(x * x) * value) + rg.sum(rg.vmap(push)(MATRIX) ** 2)


def solved(x):
    """The fixed point of a contraction, of a tree, with a captured value."""

    def follow(state, a):
        return {"u": 0.1 * rg.sin(MATRIX @ state["v"]) * x + a, "v": 0.1 * rg.tanh(state["u"] * a)}

    start = {"u": np.zeros(N), "v": np.zeros(N)}
    found = rg.fixed_point(follow, start, x, tolerance=1e-15)
    return rg.sum(found["u"] ** 2) + rg.sum(found["v"] * x)


def in_pieces(x):
    square = lambda v: v * v
    return rg.sum(rg.piecewise(x, (lambda v: v > 1, square), (lambda v: v > 0, rg.log), otherwise=rg.exp) * x)


def segmented(x):
    """A scan whose reverse sweep runs it again, in segments of segments, and a loop likewise."""
    body = lambda c, row: (rg.sin(c * row[0]) + x * 0.5, rg.sum(c))
    last, stacked = rg.scan(body, x, np.sin(np.arange(21.0)).reshape(7, 3), memory="sqrt")
    return rg.sum(last) * rg.sum(stacked**2) + rg.sum(rg.fori_loop(0, 5, lambda i, c: rg.tanh(c * x), x, memory="sqrt"))


PROGRAMS = {
    f.__name__: f
    for f in (
        plain, network, movement, selection, powers, jitted, checkpointed, custom, scanned, looped, bounded_while,
        conditional, batched, gradient_inside, tangent_inside, hessian_inside, jacobian_inside, fan_out,
        scan_in_vmap_in_grad, everything, custom_forward, linearized, solved, in_pieces, segmented,
    )
}  # fmt: skip
