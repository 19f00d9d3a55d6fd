"""`rg.debug`: loops run as Python, and errors of derivatives name the line of the forward code."""

import numpy as np
import pytest

import retrograd as rg
from retrograd.core.dispatch import EVALUATE, apply, current
from retrograd.core.primitive import Primitive
from retrograd.errors import MissingRule, ShapeError


class Doubled(Primitive):
    """2 x, with no derivative; without a name it enters no table."""

    def evaluate(self, x):
        return 2 * x

    def infer(self, x):
        return x


Doubled.name = "doubled"


def doubled(x):
    return apply(Doubled(), x)  # the line


def notes(error):
    return "\n".join(getattr(error.value, "__notes__", []))


def test_an_error_of_a_derivative_names_the_forward_line():
    x = rg.tensor([1.0], requires_grad=True)
    with rg.debug():
        y = rg.sum(doubled(x))
        with pytest.raises(MissingRule) as error:
            y.backward()
    assert "In the derivative of doubled, computed at test_debug.py:" in notes(error)
    assert "# the line" in notes(error)


@pytest.mark.parametrize("wrap", [lambda f: f, rg.jit], ids=["eager", "jit"])
def test_so_it_is_for_functional_transforms(wrap):
    def f(x):
        return rg.sum(doubled(x))

    with rg.debug(), pytest.raises(MissingRule) as error:
        wrap(rg.grad(f))(np.ones(2))
    assert "# the line" in notes(error)


def test_elsewhere_it_says_how_to_get_the_line():
    x = rg.tensor([1.0], requires_grad=True)
    y = rg.sum(doubled(x))
    with pytest.raises(MissingRule) as error:
        y.backward()
    assert "with rg.debug():" in notes(error)
    with pytest.raises(MissingRule) as error:
        rg.grad(lambda x: rg.sum(doubled(x)))(np.ones(2))
    assert "with rg.debug():" in notes(error)


def test_a_value_recorded_before_has_no_line():
    x = rg.tensor([1.0], requires_grad=True)
    y = rg.sum(doubled(x))
    with pytest.raises(MissingRule) as error, rg.debug():
        y.backward()
    assert not notes(error)


@pytest.mark.parametrize("wrap", [lambda f: f, rg.jit], ids=["eager", "jit"])
def test_shapes_name_the_line_inside_a_loop(wrap):
    def f(x):
        return rg.fori_loop(0, 2, lambda i, c: c + np.ones(3), x)  # the line

    with rg.debug(), pytest.raises(ShapeError, match=r"test_debug\.py:\d+: .*# the line"):
        wrap(f)(np.ones(2))


def test_loops_run_as_python():
    seen = []

    def body(c, t):
        seen.append((float(c), float(t)))
        return c + t, c

    with rg.debug():
        last, _ = rg.scan(body, 0.0, np.array([1.0, 2.0]))
    assert seen == [(0.0, 1.0), (1.0, 2.0)]
    assert float(last) == 3.0


def test_values_and_gradients_are_the_same():
    def f(x, w):
        last, ys = rg.scan(lambda c, t: (rg.tanh(c * w + t), c * t), x, np.linspace(0.0, 1.0, 4))
        return rg.sum(last * ys)

    def by_backward():
        x = rg.tensor(np.array(0.3), requires_grad=True)
        f(x, 0.7).backward()
        return x.grad

    transformed = (f, rg.grad(f), rg.jit(f), rg.jit(rg.grad(f)), rg.hessian(f))
    for run in [by_backward, *[lambda g=g: g(0.3, 0.7) for g in transformed]]:
        expected = np.asarray(run())
        with rg.debug():
            found = np.asarray(run())
        assert np.allclose(found, expected, rtol=1e-12)


def test_a_jitted_function_stays_compiled_and_apart():
    traced = []

    @rg.jit
    def f(x):
        traced.append(1)
        return x * 2.0

    f(1.0)
    with rg.debug():
        assert float(f(3.0)) == 6.0
        f(4.0)
    f(1.0)
    assert len(traced) == 2


def test_nothing_is_left_behind():
    with rg.debug(), rg.debug():
        assert current() is not EVALUATE
        with rg.no_grad():
            assert not (rg.tensor([1.0], requires_grad=True) * 2).requires_grad
    assert current() is EVALUATE
    with rg.no_grad(), rg.debug():
        assert not (rg.tensor([1.0], requires_grad=True) * 2).requires_grad
    with pytest.raises(ZeroDivisionError), rg.debug():
        raise ZeroDivisionError
    assert current() is EVALUATE


def test_inside_a_transform_loops_still_run_as_python():
    def f(x):
        with rg.debug():
            return rg.fori_loop(0, 3, lambda i, c: c * x if int(i) < 2 else c, 1.0)

    assert float(rg.grad(f)(3.0)) == 6.0


# What Python cannot decide is traced, as without debug mode ---------------------------------------------------------------


def test_lanes_that_differ_are_traced():
    def halved(x):
        return rg.cond(x > 2.0, lambda x: x / 2.0, lambda x: x, x)

    def small(x):
        return rg.while_loop(lambda x: x > 1.0, lambda x: x / 2.0, x)

    def counted(n):
        return rg.fori_loop(0, n, lambda i, c: c + i, rg.tensor(0))

    x, n = np.array([1.0, 3.0, 5.0]), np.array([0, 2, 5])
    outside = [rg.vmap(f)(v).numpy() for f, v in ((halved, x), (small, x), (counted, n))]
    with rg.debug():
        inside = [rg.vmap(f)(v).numpy() for f, v in ((halved, x), (small, x), (counted, n))]
        compiled = [rg.jit(f)(v[1]).item() for f, v in ((halved, x), (small, x), (counted, n))]
    for a, b, c in zip(outside, inside, compiled, strict=True):
        np.testing.assert_array_equal(a, b)
        assert c == a[1]


def test_a_scan_over_no_rows_has_its_results():
    with rg.debug():
        carry, ys = rg.scan(lambda c, x: (c + x, rg.stack([c, x])), 1.0, np.zeros(0))
    assert carry.item() == 1.0 and ys.shape == (0, 2)


def test_a_condition_is_asked_once_for_each_turn():
    asked = []

    def below(x):
        asked.append(float(x))
        return x < 4.0

    with rg.debug():
        rg.while_loop(below, lambda x: x * 2.0, 1.0)
    assert asked == [1.0, 2.0, 4.0]
