"""What hostile use found in NaN tracing, optimisers and explanations: each of these once misled, or could not be read."""

import linecache
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import retrograd as rg
from retrograd.errors import NonFiniteError, RetrogradError

UNREADABLE = "a\x00b\x1b[31m\ud800"


def caught(f, *args):
    with pytest.raises(NonFiniteError) as info, rg.trace_nan():
        f(*args)
    return info.value


def declared():
    @rg.custom_vjp
    def f(x):
        return x * 2.0

    def backward(x, ct):
        return (ct / (x - 1.0),)  # planted

    f.defvjp(lambda x: (x * 2.0, x), backward)
    return f


@pytest.mark.parametrize("wrap", [lambda f: f, rg.jit], ids=["eager", "jit"])
def test_an_operation_in_a_declared_derivative_is_said_to_be_one(wrap):
    """Compiled it was called "forward"; eager its own result was taken for a derivative, with advice that did not fit."""
    error = caught(wrap(rg.grad(declared())), rg.tensor(1.0))
    assert (error.operation, error.phase) == ("divide", "backward")
    assert "planted" in error.line.text
    assert str(error).startswith("divide gave inf in a backward rule, at ")
    assert error.suggestion.startswith("division by 0")


def test_an_operation_in_a_declared_derivative_within_a_compiled_loop():
    f = declared()
    program = rg.jit(rg.grad(lambda x: rg.scan(lambda c, t: (f(c), t), x, rg.tensor([1.0, 2.0]))[0]))
    error = caught(program, rg.tensor(0.5))
    assert (error.operation, error.phase, error.iteration) == ("divide", "backward", 1)


def test_an_operation_in_a_declared_tangent():
    @rg.custom_jvp
    def f(x):
        return x * 2.0

    f.defjvp(lambda primals, tangents: (primals[0] * 2.0, tangents[0] / (primals[0] - 1.0)))
    error = caught(lambda x: rg.jvp(f, (x,), (x,)), rg.tensor(1.0))
    assert (error.operation, error.phase) == ("divide", "tangent")


def test_what_a_compiled_tangent_was_given_is_called_a_tangent():
    error = caught(rg.jit(rg.hessian(lambda x: rg.sum(rg.power(x, 1.5)))), rg.tensor([0.0, 1.0]))
    assert error.phase == "tangent"
    assert "cotangent" not in str(error)


@pytest.mark.parametrize("value", ["fast", None, 1j])
def test_a_setting_that_is_no_number_is_named(value):
    with pytest.raises(RetrogradError, match="SGD: lr is a number, not "):
        rg.optim.SGD([rg.Parameter([1.0])], lr=value)


@pytest.mark.parametrize("limit", [np.float32(0.0), np.array([1.0, -1.0]), None, "x", float("nan")])
def test_a_bound_of_a_gradient_that_is_none_is_refused(limit):
    with pytest.raises(RetrogradError, match="max_norm is above 0, not "):
        rg.optim.clip_by_global_norm([rg.tensor([3.0, 4.0])], limit)


def explanations():
    def as_function(x):
        return rg.sin(x) * 2.0

    as_function.__name__ = as_function.__qualname__ = UNREADABLE
    weight = rg.Parameter(2.0, name=UNREADABLE)
    yield "function", as_function
    yield "parameter", lambda x: rg.sin(x) * weight
    yield "call", lambda x: rg.jit(as_function)(x) + 1.0


@pytest.mark.parametrize("f", [pytest.param(f, id=name) for name, f in explanations()])
def test_names_that_no_file_can_hold(f, tmp_path):
    """Control characters made pages that are no XML, lone surrogates files that could not be written."""
    found, drawing = rg.explain(f, 0.5), rg.graph(f, 0.5)
    for form in (found.svg(), drawing.svg(), drawing.html(), found.html()):
        ET.fromstring(f"<root>{form}</root>".replace("<!doctype html>", ""))
    for form in (found.text(), found.markdown(), found.latex(), str(drawing)):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]", form)
    for ending in (".html", ".svg", ".tex", ".md", ".txt"):
        found.save(tmp_path / f"explanation{ending}")


def test_a_name_is_no_markdown():
    def f(x):
        return x * 2.0

    f.__name__ = "a $x$ & ~b~\n# <b>"
    assert rg.explain(f, 0.5).markdown().startswith("## a \\$x\\$ \\& \\~b\\~ \\# \\<b\\>\n")


def test_the_source_of_a_step_need_not_be_in_utf_8():
    name, scope = "<half a pair>", {}
    source = ["def f(x):\n", f"    return x * 2.0  # {UNREADABLE[-1]}\n"]
    exec(compile("def f(x):\n    return x * 2.0\n", name, "exec"), scope)  # noqa: S102 - the source is our own
    linecache.cache[name] = (1, None, source, name)
    assert rg.explain(scope["f"], 0.5).gradient("x") == 2.0


def test_rounding_in_a_loop_that_stays_closed_is_not_left_out():
    """It counted a loop of 25,000 steps as one operation: 1.5e-6 in place of 0.04."""
    found = rg.explain(lambda x: rg.fori_loop(0, 20_001, lambda i, c: c + 0.001, x), 1.0)
    with pytest.raises(RetrogradError, match="step 3 is a loop that stayed closed"):
        found.rounding_error()


@pytest.mark.parametrize("dtype", ["int32", "bfloat16"])
def test_rounding_needs_a_floating_type(dtype):
    with pytest.raises(RetrogradError, match="dtype is a floating type such as 'float32', not "):
        rg.explain(rg.sin, 1.0).rounding_error(dtype)
