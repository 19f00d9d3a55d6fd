"""`rg.check_grads`: passes what is right, and of what is wrong names the element and the operation."""

from dataclasses import dataclass

import numpy as np
import pytest

import retrograd as rg
from retrograd.core.dispatch import apply
from retrograd.core.primitive import REGISTRY, Primitive
from retrograd.errors import GradientMismatch, RetrogradError
from retrograd.ops.inputs import array_of, face
from retrograd.primitives.families import Pointwise
from tests.composition.programs import POINT, PROGRAMS


@pytest.fixture
def registry(monkeypatch):
    """Primitives made by a test are gone after it."""
    monkeypatch.setattr("retrograd.core.primitive.REGISTRY", dict(REGISTRY))


def declared(f, rule):
    """`f` with the reverse rule ``rule(x, ct)``."""
    found = rg.custom_vjp(f)
    found.defvjp(lambda x: (f(x), x), rule)
    return found


@pytest.mark.parametrize("f", PROGRAMS.values(), ids=PROGRAMS)
def test_what_is_right_passes(f):
    report = rg.check_grads(f, (POINT,), samples=3)
    assert report.checked == 12 and not report.kinks and not report.unchecked


def test_orders_and_modes():
    f = lambda x: rg.sum(rg.sin(x) * rg.exp(x))
    for order in (1, 2, 3):
        for modes in (("fwd",), ("rev",), ("fwd", "rev")):
            assert rg.check_grads(f, (np.array([0.1, 0.2]),), order, modes).checked == 2 * order * len(modes)


def test_everything_is_computed_in_float64():
    x = np.linspace(0.1, 1, 5, dtype=np.float32)
    assert rg.check_grads(lambda x: rg.sum(rg.exp(rg.astype(x, "float32")) ** 3), (x,), tolerance=1e-9).checked == 20


def test_trees_integers_and_several_results():
    def f(params, n, labels):
        return {"power": params["w"] ** n, "picked": (params["b"][labels], rg.argmax(params["w"]))}

    params = {"w": np.array([0.3, 0.7]), "b": np.array([0.1, 0.2, 0.3])}
    assert rg.check_grads(f, (params, 3, np.array([0, 2]))).checked == 20


def test_parameters_are_checked_and_cells_stay():
    w, calls = rg.Parameter([[0.5, -0.3]]), rg.Buffer([0.0])

    def f(x):
        calls.value = calls.value + 1.0
        return rg.tanh(x @ w.T) * calls.value

    assert rg.check_grads(f, (np.array([[1.0, 2.0]]),), order=1).checked == 6
    assert calls.value.numpy() == 0.0 and w.grad is None
    assert rg.check_grads(lambda: rg.sum(w * w), ()).checked == 2


def test_loops_whose_length_is_not_known_are_checked_forward():
    f = lambda x: rg.while_loop(lambda c: c < 10.0, lambda c: c * x, x)
    assert rg.check_grads(f, (1.7,), modes=("fwd",)).checked == 2


def test_kinks_are_flagged():
    report = rg.check_grads(lambda x: rg.sum(rg.absolute(x)), ([0.0, 1.0],), order=1)
    assert report.checked == 4
    assert report.kinks == ["x[0], order 1, reverse mode", "x[0], order 1, forward mode"]
    assert "at a kink: x[0]" in str(report)
    near = rg.check_grads(lambda x: rg.sum(rg.relu(x)), ([1e-5, -1e-5],), order=1)
    assert not near.kinks


def test_random_functions_draw_the_same_numbers_again():
    generator = rg.random.Generator(3)
    before = generator.array.copy()
    f = lambda x: rg.sum(x * rg.random.normal(3, generator=generator))
    assert rg.check_grads(f, (np.ones(3),)).checked == 12
    assert np.array_equal(generator.array, before)


# -------------------------------------------------------------------------------------------------------- what is wrong


@pytest.mark.system("1.9", home="L", figure="a broken gradient is caught, its index named; kinks flagged")
def test_a_broken_custom_rule_is_named_with_element_and_line():
    broken = declared(lambda x: rg.exp(x), lambda x, ct: (2.0 * ct * rg.exp(x),))

    def loss(x):
        z = x * 3.0
        h = broken(z)
        return rg.sum(h * x)

    with pytest.raises(GradientMismatch) as caught:
        rg.check_grads(loss, (np.array([0.3, 0.1]),))
    text = str(caught.value)
    assert "the derivative of loss with respect to x[0] is wrong (reverse mode)" in text
    assert "the first operation that is wrong is step 2: h = <lambda>(z)" in text
    assert "h = broken(z)" in text and "test_gradcheck.py" in text and "random direction of z" in text


def test_one_flipped_sign_names_its_element():
    signs = np.array([1.0, 1.0, -1.0, 1.0])
    broken = declared(lambda x: x * x, lambda x, ct: (2.0 * ct * x * signs,))
    with pytest.raises(GradientMismatch, match=r"with respect to x\[2\] is wrong"):
        rg.check_grads(lambda x: rg.sum(broken(x)), ([0.1, 0.2, 0.3, 0.4],))


def test_a_broken_second_derivative_alone():
    """The rule is right in value, and constant where it should depend on x."""
    broken = declared(lambda x: x**3, lambda x, ct: (3.0 * ct * rg.stop_gradient(x) ** 2,))
    f = lambda x: rg.sum(broken(x))
    assert rg.check_grads(f, (np.array([0.5]),), order=1).checked == 2
    with pytest.raises(GradientMismatch, match=r"the second derivative of <lambda> with respect to x\[0\] is wrong"):
        rg.check_grads(f, (np.array([0.5]),), order=2)


def test_a_broken_primitive_is_named(registry):
    class Cube(Pointwise):
        r"""Cube."""

        name, formula = "broken_cube", "x ** 3"

        def evaluate(self, x):
            return np.power(x, 3)

        def partials(self, k, x, *, out):
            return (2.0 * x,)

    f = lambda x: rg.sum(rg.sin(face(apply(Cube.of(), array_of(rg.exp(x))))))
    with pytest.raises(GradientMismatch, match=r"step 2: t2 = t1 \*\* 3"):
        rg.check_grads(f, (np.array([0.3]),))


def test_a_broken_forward_rule_is_found_by_forward_mode_alone(registry):
    @dataclass(frozen=True)
    class Halved(Primitive):
        r"""Half."""

        name, formula, linear = "broken_half", "x / 2", (0,)

        def evaluate(self, x):
            return x / 2

        def infer(self, *types):
            return types[0]

        def transpose(self, ct, i, args):
            return ct * 0.5

        def pushforward(self, k, args, tangents, out):
            return tangents[0] * 0.25

    f = lambda x: rg.sum(face(apply(Halved(), array_of(x))))
    assert rg.check_grads(f, (np.ones(2),), order=1, modes=("rev",)).checked == 2
    with pytest.raises(GradientMismatch, match=r"forward mode.*\n.*step 1: t1 = x / 2"):
        rg.check_grads(f, (np.ones(2),), order=1, modes=("fwd",))


def test_a_wrong_gradient_of_a_parameter_names_the_parameter():
    w = rg.Parameter([0.5, 0.25], name="w")
    broken = declared(lambda x: x * 2.0, lambda _, ct: (ct,))
    with pytest.raises(GradientMismatch, match=r"with respect to w\[0\] is wrong"):
        rg.check_grads(lambda x: rg.sum(broken(w * x)), (1.0,))


def test_stopped_gradients_are_named():
    with pytest.raises(GradientMismatch, match="step 1 stops gradients, and finite differences see through it"):
        rg.check_grads(lambda x: x * rg.stop_gradient(x), (3.0,))


def test_a_wrong_operation_inside_a_loop_or_a_jitted_function_is_found():
    broken = declared(lambda x: rg.sin(x), lambda x, ct: (ct * rg.cos(x) * 1.01,))
    loop = lambda x: rg.fori_loop(0, 3, lambda _, c: broken(c) + x, x)
    with pytest.raises(GradientMismatch, match="the first operation that is wrong is step"):
        rg.check_grads(loop, (0.5,))
    with pytest.raises(GradientMismatch, match=r"the first operation that is wrong is step 1\.1"):
        rg.check_grads(rg.jit(lambda x: broken(x) * 2.0), (0.5,))


def test_a_factor_of_a_thousandth_is_found():
    broken = declared(lambda x: rg.tanh(x), lambda x, ct: (ct * (1.0 - rg.tanh(x) ** 2) * 1.001,))
    with pytest.raises(GradientMismatch):
        rg.check_grads(lambda x: rg.sum(broken(x)), (np.linspace(-1, 1, 5),))


# ---------------------------------------------------------------------------------------------- what is refused


def test_calls_that_make_no_sense():
    with pytest.raises(RetrogradError, match=r"rg\.check_grads\(f, \(x,\)\)"):
        rg.check_grads(rg.sin, np.ones(2))
    with pytest.raises(RetrogradError, match="modes among 'fwd' and 'rev'"):
        rg.check_grads(rg.sin, (1.0,), modes=("backward",))
    with pytest.raises(RetrogradError, match="order from 1"):
        rg.check_grads(rg.sin, (1.0,), order=0)
    with pytest.raises(RetrogradError, match="nothing to check"):
        rg.check_grads(lambda n: rg.arange(n), (3,))
    with pytest.raises(RetrogradError, match="returns no floating array"):
        rg.check_grads(lambda x: x > 0, (1.0,))


def test_a_function_that_gives_another_result_each_time_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(RetrogradError, match="gives another result the second time"):
        rg.check_grads(lambda x: x * rng.normal(), (1.0,))


def test_where_no_difference_can_be_taken_is_said():
    report = rg.check_grads(lambda x: rg.sum(rg.log(x)), ([-1.0, 1.0],), order=1)
    assert report.checked == 0 and "x[0], order 1, reverse mode" in report.unchecked
