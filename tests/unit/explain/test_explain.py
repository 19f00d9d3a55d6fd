"""`rg.explain`: every step of any program, its derivatives those of `rg.grad`, the cells untouched."""

import numpy as np
import pytest

import retrograd as rg
from retrograd.errors import DifferentiationError, EscapedTracer, RetrogradError, TracingError, UnsupportedDtype
from retrograd.primitives.catalogue import catalogue
from retrograd.testing import cases_of
from tests.composition.programs import POINT, PROGRAMS


def steps(explanation):
    """Number -> step, those inside others too."""
    return {s.number: s for s in explanation.all_steps()}


@pytest.mark.parametrize("f", PROGRAMS.values(), ids=PROGRAMS)
def test_gradients_are_those_of_grad_and_finite_differences_agree(f):
    explanation = rg.explain(f, POINT)
    with rg.default_dtype("float64"):
        wanted = np.asarray(rg.grad(f)(POINT))
    found = explanation.gradient("x")
    if f.__name__ == "everything":  # matrix products in a loop: BLAS rounds by the layout of its operands
        assert found == pytest.approx(wanted, rel=1e-14)
    else:
        assert np.array_equal(found, wanted)
    assert all(c.agrees for g in explanation.gradients for c in g.checks)
    assert str(explanation).isascii()


def test_fan_out_is_shown_as_a_sum():
    def f(x):
        y = x**2 + x
        return y**2

    explanation = rg.explain(f, 3.0)
    assert explanation.outputs[0].array == 144.0 and explanation.gradient("x") == 168.0
    contributions = [(c.step.number, float(c.array)) for c in explanation.inputs[0].received]
    assert contributions == [("2", 24.0), ("1", 144.0)]
    text = str(explanation)
    assert "df/dx += df/dt1 * (2 * x)" in text and "= 24 * (2 * 3)" in text
    assert "= 24 + 144" in text and "= 168  (sum over steps 2 and 1)" in text


@pytest.mark.system("1.1", home="L", figure="dg/da=138.833819242, dg/db=645.577259475, explained")
def test_the_expression_of_micrograd():
    def g(a, b):
        c = a + b
        d = a * b + b**3
        c = c + c + 1
        c = c + 1 + c - a
        d = d + d * 2 + rg.relu(b + a)
        d = d + 3 * d + rg.relu(b - a)
        e = c - d
        f = e**2
        return f / 2 + 10 / f

    explanation = rg.explain(g, -4.0, 2.0)
    assert float(explanation.outputs[0].array) == pytest.approx(24.7040816327, rel=1e-11)
    assert float(explanation.gradient("a")) == pytest.approx(138.833819242, rel=1e-11)
    assert float(explanation.gradient("b")) == pytest.approx(645.577259475, rel=1e-11)
    names = [s.outputs[0].name for s in explanation.steps]
    assert names[:6] == ["c", "t2", "t3", "d", "t5", "c_2"] and names[-1] == "g"


def test_names_and_lines_are_the_users_own():
    def f(x, scale):
        hidden = rg.tanh(x)
        total = rg.sum(hidden * scale)
        total += 1.0
        return rg.exp(total)

    found = steps(rg.explain(f, [0.1, 0.2], 3.0))
    assert [s.outputs[0].name for s in found.values()] == ["hidden", "t2", "total", "total_2", "f"]
    assert found["3"].site.line.text == "total = rg.sum(hidden * scale)"
    assert found["2"].site.expression == "hidden * scale"
    assert found["2"].formula == "hidden * scale" and found["1"].formula == "tanh(x)"


def test_an_expression_of_several_steps_names_the_last():
    def f(x):
        spread = rg.std(x)
        return spread * 2

    explanation = rg.explain(f, [0.1, 0.5, 0.2])
    named = [s.number for s in explanation.steps if s.outputs[0].name == "spread"]
    assert named == [explanation.steps[-2].number] and len(explanation.steps) > 4


def test_arguments_of_every_kind():
    def f(params, x, n, label, flag):
        assert type(n) is int and label == "tanh" and flag is True
        return rg.sum(getattr(rg, label)(x @ params["w"] + params["b"]) ** n)

    params = {"w": np.ones((2, 3), np.float32), "b": np.zeros(3)}
    explanation = rg.explain(f, params, rg.tensor([[0.1, 0.2]]), 3, "tanh", True)
    assert [v.name for v in explanation.inputs] == ["params['w']", "params['b']", "x"]
    assert all(v.array.dtype == np.float64 for v in explanation.inputs)
    assert explanation.gradient("params['w']").shape == (2, 3)
    assert "** 3" in str(explanation)
    with pytest.raises(RetrogradError, match=r"no gradient of 'w'; there are those of params\['w'\]"):
        explanation.gradient("w")


def test_integers_are_passed_on_and_not_differentiated():
    explanation = rg.explain(lambda x, i: x[i] * 2.0, [1.0, 2.0, 3.0], np.array(1))
    assert [g.value.name for g in explanation.gradients] == ["x"]
    assert explanation.gradient("x").tolist() == [0.0, 2.0, 0.0]
    only = rg.explain(lambda n: rg.sum(rg.arange(n)), 4)
    assert "there is nothing to differentiate" in str(only) and only.gradients == []


def test_python_may_branch_on_values():
    def f(x):
        if x > 0:
            return x * x
        return -x

    assert rg.explain(f, 3.0).gradient("x") == 6.0 and rg.explain(f, -3.0).gradient("x") == -1.0


def test_where_takes_one_branch():
    explanation = rg.explain(lambda x: rg.sum(rg.where(x > 0, rg.sqrt(rg.maximum(x, 0.0)), 0.0)), [4.0, -1.0])
    assert explanation.gradient("x").tolist() == [0.25, 0.0]
    assert "where(" in str(explanation) and "> 0" in str(explanation)


def test_a_kink_is_flagged_and_a_wrong_derivative_is_called_wrong():
    check = rg.explain(rg.relu, 0.0).gradients[0].checks[0]
    assert check.kink and check.agrees and check.gradient == 0.0
    assert "at a kink" in str(rg.explain(rg.relu, 0.0))

    @rg.custom_vjp
    def doubled(x):
        return x * 2.0

    doubled.defvjp(lambda x: (x * 2.0, None), lambda _, ct: (3.0 * ct,))
    explanation = rg.explain(lambda x: doubled(x) * x, 0.5)
    assert not explanation.gradients[0].checks[0].agrees
    text = str(explanation)
    assert "DISAGREE" in text and "doubled(x)" in text and "by its own derivative" in text
    step = steps(explanation)["1"]
    assert [s.formula for s in step.inside] == ["x * 2"] and len(step.backward) == 1


# ---------------------------------------------------------------------------------------------------- things that open


def test_a_jitted_function_is_a_step_that_opens():
    @rg.jit
    def layer(x, w):
        z = x * w
        return rg.tanh(z)

    explanation = rg.explain(lambda x, w: layer(x, w) + x, 0.5, 2.0)
    block = explanation.steps[0]
    assert block.title == "call of layer" and [s.number for s in block.inside] == ["1.1", "1.2"]
    assert block.inside[0].outputs[0].name == "z" and block.inside[1].formula == "tanh(z)"
    assert "1.2  t1.2 = tanh(z)" in str(explanation)
    assert layer.report().retraces is not None  # the program itself was not disturbed


def test_a_loop_opens_into_iterations_and_long_ones_are_cut_in_print():
    def f(x):
        return rg.fori_loop(0, 8, lambda _, c: c * x + 1.0, x)

    explanation = rg.explain(f, 0.5)
    loop = next(s for s in explanation.steps if s.inside)
    assert [s.title for s in loop.inside] == [f"iteration {i} of 8" for i in range(1, 9)]
    text = str(explanation)
    assert "iterations between" in text and "iteration 8 of 8" in text and "iteration 4 of 8" not in text


def test_a_while_loop_opens_and_has_a_gradient_here():
    explanation = rg.explain(lambda x: rg.while_loop(lambda c: c < 10.0, lambda c: c * x, x), 1.7)
    assert explanation.steps[0].title == "while loop that ran 4 iterations"
    assert float(explanation.gradient("x")) == pytest.approx(5 * 1.7**4, rel=1e-14)


def test_cond_shows_the_arm_that_ran():
    explanation = rg.explain(lambda x: rg.cond(x > 0, lambda v: v * v, lambda v: -v, x), 2.0)
    assert explanation.steps[1].title == "cond: the condition is True, so the first function runs"
    assert [s.formula for s in explanation.steps[1].inside] == ["x * x"]


def test_a_loop_too_long_to_open_stays_closed(monkeypatch):
    from retrograd.explain import opening

    monkeypatch.setattr(opening, "LIMIT", 10)

    def f(x):
        return rg.fori_loop(0, 50, lambda _, c: rg.sin(c) + x, x)

    explanation = rg.explain(f, 0.5)
    assert not any(s.inside for s in explanation.steps)
    assert np.array_equal(explanation.gradient("x"), np.asarray(rg.grad(f)(0.5)))
    assert "scan" in {s.prim.name for s in explanation.steps} and str(explanation)


def test_scan_takes_and_stacks_elements():
    def f(x, xs):
        last, ys = rg.scan(lambda c, v: (c * x + v, c * v), x, xs)
        return last + rg.sum(ys**2)

    xs = np.array([1.0, 2.0, 3.0])
    explanation = rg.explain(f, 0.7, xs)
    wanted = rg.grad(f, (0, 1))(0.7, xs)
    assert np.array_equal(explanation.gradient("x"), np.asarray(wanted[0]))
    assert np.array_equal(explanation.gradient("xs"), np.asarray(wanted[1]))
    assert "xs[1]" in str(explanation)


# ------------------------------------------------------------------------------------------------------ cells and state


def test_parameters_are_leaves_and_stay_as_they_are():
    w, b = rg.Parameter([[0.5, -0.25]]), rg.Parameter([0.125])

    def loss(x):
        return rg.sum((rg.affine(x, w, b) - 1.0) ** 2)

    x = np.array([[1.0, 2.0]], np.float32)
    explanation = rg.explain(loss, x)
    loss(x).backward()
    assert np.asarray(w.grad) == pytest.approx(explanation.gradient("w"), rel=1e-6)
    assert np.asarray(b.grad) == pytest.approx(explanation.gradient("b"), rel=1e-6)
    assert [g.value.kind for g in explanation.gradients] == ["argument", "parameter", "parameter"]
    assert w.dtype == np.float32 and w.value.numpy().tolist() == [[0.5, -0.25]]


def test_a_model_with_dropout_and_data_in_float32():
    model = rg.nn.Sequential(rg.nn.Linear(4, 3), rg.nn.Tanh(), rg.nn.Dropout(0.5), rg.nn.Linear(3, 2))
    x = rg.tensor(np.linspace(-1, 1, 20).reshape(5, 4).astype(np.float32))
    y = np.array([0, 1, 1, 0, 1])
    generator = rg.random.default_generator
    before = generator.array.copy()
    explanation = rg.explain(lambda m: rg.nn.cross_entropy(m(x), y), model)
    assert np.array_equal(generator.array, before)
    loss = rg.nn.cross_entropy(model(x), y)  # the same mask is drawn
    assert loss.item() == pytest.approx(float(explanation.outputs[0].array), rel=1e-6)
    loss.backward()
    for name, parameter in model.named_parameters():
        assert np.asarray(parameter.grad) == pytest.approx(explanation.gradient(name), rel=2e-5, abs=1e-7)
    assert {v.name for v in explanation.inputs} >= {"x", "y", "generator", "0.weight"}
    assert all(c.agrees for g in explanation.gradients for c in g.checks)


def test_a_model_itself():
    model = rg.nn.Sequential(rg.nn.Linear(2, 1), rg.nn.Sigmoid())
    explanation = rg.explain(model, [[0.5, -1.0]])
    assert explanation.inputs[0].kind == "argument" and explanation.gradient("0.bias").shape == (1,)
    assert str(explanation).startswith("Sequential")


def test_constants_take_the_name_of_an_array_outside_if_only_one_holds_the_same():
    matrix, one, other = np.array([[1.0, 2.0]]), np.zeros(2), np.zeros(2)
    explanation = rg.explain(lambda x: rg.sum(matrix * x) + rg.sum(one * x) + rg.sum(other * x), [1.0, 2.0])
    assert [v.name for v in explanation.inputs] == ["x", "matrix", "c", "c_2"]


def test_assignments_are_thrown_away():
    count = rg.Buffer([0.0])

    def f(x):
        count.value = count.value + 1.0
        return rg.sum(x * count.value)

    assert rg.explain(f, [1.0, 2.0]).gradient("x").tolist() == [1.0, 1.0]
    assert count.value.numpy().tolist() == [0.0]


def test_a_tensor_outside_that_requires_gradients_is_a_leaf():
    weight = rg.tensor([0.5, 2.0], requires_grad=True)
    explanation = rg.explain(lambda x: rg.sum(weight * x), [1.0, 3.0])
    assert explanation.gradient("weight").tolist() == [1.0, 3.0] and weight.grad is None
    assert all(c.agrees for g in explanation.gradients for c in g.checks)


def test_narrow_conversions_are_the_identity():
    def f(x):
        return rg.sum(rg.astype(x, "float32") * 3.0)

    explanation = rg.explain(f, [0.1])
    assert explanation.outputs[0].array == 0.1 * 3.0 and len(explanation.steps) == 2


def test_random_numbers_are_those_the_program_would_have_drawn():
    generator = rg.random.Generator(7)

    def f(x):
        return rg.sum(x * rg.random.uniform(3, generator=generator))

    weights = rg.explain(f, [1.0, 1.0, 1.0]).gradient("x")
    assert np.array_equal(weights, rg.random.uniform(3, generator=generator).numpy())


# -------------------------------------------------------------------------------------------------------- results


def test_results_that_are_not_one_number():
    explanation = rg.explain(lambda x: {"a": x * 2.0, "b": (x[0], rg.argmax(x))}, [1.0, 3.0])
    assert explanation.gradient("x").tolist() == [3.0, 2.0]
    assert "the derivatives are of S, the sum of all elements" in str(explanation)
    assert "nothing to differentiate" in str(rg.explain(lambda x: x > 0, 1.0))
    assert "returned no array" in str(rg.explain(lambda _: None, 1.0))
    assert "depends on no input" in str(rg.explain(lambda _: rg.zeros(2), 1.0))


def test_unused_arguments_have_a_gradient_of_zero():
    def f(x, y):
        return x * 2.0

    explanation = rg.explain(f, 1.0, [1.0, 2.0])
    assert explanation.gradient("y").tolist() == [0.0, 0.0]


def test_large_arrays_are_summed_up_and_one_element_is_followed():
    x = np.linspace(-1, 1, 600).reshape(20, 30)
    explanation = rg.explain(lambda x: rg.sum(rg.tanh(x) ** 2), x)
    text = str(explanation)
    assert "float64[20, 30] from -1 to 1" in text and "(594 more elements)" in text and len(text) < 4000
    chain = [s.outputs[0].traced for s in explanation.steps]
    assert chain[0] == chain[1]
    assert len(explanation.gradients[0].checks) == 6


def test_long_programs_are_cut_in_print():
    def f(x):
        for _ in range(300):
            x = rg.sin(x)
        return x

    explanation = rg.explain(f, 0.5, check=False)
    assert len(explanation.steps) == 300
    assert "240 more; .text(steps=None) shows all" in str(explanation) and "x_150" not in str(explanation)
    assert "x_150" in explanation.text(steps=None)


def test_digits():
    text = rg.explain(rg.tanh, 0.5).text(digits=12)
    assert "0.46211715726" in text


def test_stopped_gradients_are_said():
    explanation = rg.explain(lambda x: x * rg.stop_gradient(x), 3.0)
    assert explanation.gradient("x") == 3.0
    assert "Note: step 1 stops gradients; finite differences see through it." in str(explanation)


def test_zero_sizes_and_zero_dimensions():
    explanation = rg.explain(lambda x: rg.sum(x * 2.0), np.zeros((0, 3)))
    assert explanation.gradient("x").shape == (0, 3) and str(explanation)


def test_not_a_number_is_shown_and_not_checked():
    explanation = rg.explain(rg.log, -1.0)
    assert "no finite difference can be taken" in str(explanation)


PRIMITIVES = catalogue()


@pytest.mark.parametrize("name", PRIMITIVES)
def test_every_primitive_explains_itself(name):
    """Each primitive alone, on its samples: derivatives that agree, and text without a hitch."""
    for prim in PRIMITIVES[name].instances():
        case = next(iter(cases_of(prim)))
        if prim.reverse and case.floats and name != "stop_gradient":  # differences see through that one
            explanation = rg.explain(case.function(), *case.inputs, samples=2)
            assert all(c.agrees for g in explanation.gradients for c in g.checks), prim
            assert str(explanation).isascii()


# ---------------------------------------------------------------------------------------------------- what is refused


def test_backward_inside_names_the_functional_form():
    w = rg.Parameter([1.0])

    def step(x):
        loss = rg.sum(w * x)
        loss.backward()
        return loss

    with pytest.raises(DifferentiationError, match=r"rg\.grad"):
        rg.explain(step, [1.0])
    assert w.grad is None


def test_complex_numbers_are_refused():
    with pytest.raises(UnsupportedDtype):
        rg.explain(rg.sum, np.array([1j]))


def test_explain_inside_a_transform_needs_numbers():
    with pytest.raises(TracingError, match="explain needs numbers: call it outside grad"):
        rg.grad(lambda x: rg.explain(rg.tanh, x).gradients[0].array)(1.0)


def test_escaped_values_are_refused():
    kept = []
    rg.explain(lambda x: kept.append(x) or x * 2.0, 1.0, check=False)
    with pytest.raises(EscapedTracer):
        kept[0] + 1.0


def test_an_error_leaves_nothing_behind():
    from retrograd.config import default_float, draw_float
    from retrograd.core.dispatch import EVALUATE, current

    with pytest.raises(ZeroDivisionError):
        rg.explain(lambda x: x * (1 / 0), 1.0)
    assert current() is EVALUATE and default_float() == draw_float() == np.float32


def test_the_package_can_be_called_under_its_functions_name():
    import retrograd.explain as package

    assert package(rg.tanh, 0.5).gradient("x") == rg.explain(rg.tanh, 0.5).gradient("x")
