"""What hostile use found in the transforms: each of these once gave an error for what is right, or a wrong number."""

import numpy as np
import pytest

import retrograd as rg
from retrograd.errors import DifferentiationError, DTypeError, RetrogradError

V = np.array([1.0, 2.0, 3.0])


def close(a, b, tolerance=1e-12):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: rg.sin(V) * x,
        lambda x: rg.fori_loop(0, 2, lambda i, v: v * rg.sin(V), x),
        lambda x: rg.cond(True, lambda v: v * rg.sin(V), lambda v: v, x),
        lambda x: rg.fixed_point(lambda v: 0.25 * v + rg.sin(V) * x, np.zeros(3)),
    ],
    ids=["jit", "fori_loop", "cond", "fixed_point"],
)
def test_a_function_of_one_argument_takes_a_plain_array_while_it_is_traced(f):
    plain = np.asarray(f(rg.tensor(V)))
    close(rg.jit(f)(V), plain)
    close(rg.grad(lambda x: rg.sum(f(x) * x))(V), plain + V * np.diag(np.asarray(rg.jacobian(f)(V))))


@rg.custom_jvp
def times_its_sum(x):
    return x * rg.sum(x)


@times_its_sum.defjvp
def rule(primals, tangents):
    """It calls the function whose rule it is inside two vmaps, on vectors among which are x and 2 x."""
    (x,), (t,) = primals, tangents
    pairs = rg.stack([rg.stack([x, 2.0 * x]), rg.stack([3.0 * x, x]), rg.stack([x, x])])
    ys = rg.vmap(rg.vmap(times_its_sum), in_axes=1, out_axes=1)(pairs)
    return ys[2, 0], t * rg.sum(x) + rg.sum(t) * ys[2, 1] / rg.sum(x)


@pytest.mark.parametrize("way", [lambda f: f, rg.jit], ids=["eager", "jit"])
@pytest.mark.parametrize(
    "derivative",
    [
        rg.jacobian,
        lambda f: rg.jacobian(rg.jacobian(f, mode="forward"), mode="reverse"),
        lambda f: rg.hessian(lambda x: rg.sum(f(x) ** 2)),
    ],
    ids=["jacobian", "reverse of forward", "hessian"],
)
def test_a_rule_may_put_its_function_into_vmap(way, derivative):
    x = np.array([[0.3, 0.8], [0.6, -0.1], [1.3, 1.8]])
    own, plain = derivative(times_its_sum), derivative(times_its_sum.f)
    close(way(own)(x[0]), plain(x[0]))
    close(way(rg.vmap(own))(x), rg.vmap(plain)(x))


@pytest.mark.parametrize("option", [{"tolerance": -1.0}, {"tolerance": np.nan}, {"derivative_tolerance": -1e-3}])
def test_a_fixed_point_refuses_a_tolerance_that_no_iteration_meets(option):
    with pytest.raises(RetrogradError, match=f"{next(iter(option))}=.* at least 0 is needed"):
        rg.fixed_point(lambda x: 0.5 * x, 1.0, **option)


def test_a_count_of_iterations_is_an_integer():
    with pytest.raises(RetrogradError, match=r"max_iterations=2\.5, an integer of at least 1 is needed"):
        rg.fixed_point(lambda x: 0.5 * x, 1.0, max_iterations=2.5)


def test_integers_are_refused_in_words_that_fit_the_transform():
    with pytest.raises(DTypeError, match="leave them out of argnums"):
        rg.grad(lambda x: x)(1)
    for transform in (lambda: rg.fixed_point(lambda x: x, 1), lambda: rg.linearize(lambda x: x, 1)):
        with pytest.raises(DTypeError, match="convert them to floats") as found:
            transform()
        assert "argnums" not in str(found.value)


@pytest.mark.parametrize(
    "jump", [rg.round, rg.sign, lambda t: t > 0, lambda t: t.astype("int64"), lambda t: rg.argsort(t)]
)
def test_a_rule_that_jumps_has_no_reverse_mode(jump):
    f = rg.custom_jvp(lambda x: x * x)
    f.defjvp(lambda primals, tangents: (primals[0] ** 2, primals[0] * jump(tangents[0])))
    for transform in (lambda: rg.grad(lambda x: rg.sum(f(x)))(V), lambda: rg.linearize(f, V)):
        with pytest.raises(DifferentiationError, match="passes them through an operation that jumps"):
            transform()
    rg.jvp(f, (V,), (V,))
