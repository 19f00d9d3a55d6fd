"""Errors name the operation, the shapes, the user's own line and the fix."""

import re

import numpy as np
import pytest

import retrograd as rg
from retrograd import errors
from tests.semantics.ways import ways

HERE = "test_errors.py"


def message_of(kind, f, *words):
    """The message of the exception, which must have all the words and the line in this file."""
    with pytest.raises(kind) as caught:
        f()
    text = str(caught.value)
    for word in words:
        assert re.search(word, text), (word, text)
    return text


a, b = np.ones((2, 3)), np.ones((4, 5))
SHAPES = {
    "add": (lambda: rg.tensor(a) + b, [r"add", r"2, 3", r"4, 5"]),
    "matmul": (lambda: rg.tensor(a) @ b, [r"matmul", r"\(2, 3\)", r"\(4, 5\)", "3 is not 4"]),
    "reshape": (lambda: rg.reshape(a, (4,)), ["reshape", r"2, 3", "4"]),
    "concatenate": (lambda: rg.concatenate([a, b]), ["concat", r"2, 3", r"4, 5"]),
    "stack": (lambda: rg.stack([a, b]), ["stack", r"2, 3", r"4, 5"]),
    "broadcast_to": (lambda: rg.broadcast_to(a, (3, 2)), ["broadcast", r"2, 3", r"3, 2"]),
    "where": (lambda: rg.where(a > 0, a, b), ["where", r"2, 3", r"4, 5"]),
    "affine": (lambda: rg.affine(a, b, b[:, 0]), [r"2, 3", r"4, 5"]),
}


@ways
@pytest.mark.parametrize("name", SHAPES)
def test_shapes(way, name):
    f, words = SHAPES[name]
    text = message_of(ValueError, way(f), *words)
    assert HERE in text, text
    assert "lambda" in text, text  # the source of the line


@ways
def test_axes_and_indices(way):
    x = rg.tensor(a)
    message_of(ValueError, way(lambda: rg.sum(x, axis=2)), "sum", "axis 2", "2 axes")
    message_of(IndexError, way(lambda: x[5]), "index 5", "axis 0", "length 2", HERE)
    message_of(IndexError, way(lambda: x[0, 0, 0]), "3 indices", "2 axes", HERE)
    message_of(IndexError, way(lambda: rg.take(x, np.array([0, 9]), axis=0)), "9")


def test_a_bad_index_while_a_program_runs():
    table = rg.tensor([1.0, 2.0])
    f = rg.jit(lambda i: table[i])
    assert float(f(np.array(1))) == 2.0
    message_of(IndexError, lambda: f(np.array(2)), "2")


def test_item_assignment_teaches():
    x = rg.tensor([1.0, 2.0])

    def assign():
        x[0] = 1.0

    message_of(TypeError, assign, "immutable", r"\.at\[", r"\.set\(", HERE)
    message_of(TypeError, rg.jit(lambda: x.__setitem__(0, 1.0)), "immutable")


# Escaped tracers ------------------------------------------------------------------------------------------------------


def leak(transform):
    """A value of a transform that has ended."""
    kept = []

    def f(x):
        kept.append(x * 2)
        return rg.sum(x)

    transform(f)
    return kept[0]


LEAKS = {
    "jit": lambda f: rg.jit(f)(a),
    "grad": lambda f: rg.grad(f)(a),
    "vjp": lambda f: rg.vjp(f, a),
    "jvp": lambda f: rg.jvp(f, (a,), (a,)),
    "vmap": lambda f: rg.vmap(f)(a),
    "scan": lambda f: rg.scan(lambda c, x: (c + f(x), None), rg.tensor(0.0, dtype="float64"), a),
    "cond": lambda f: rg.cond(rg.tensor(True), f, f, a),
    "checkpoint": lambda f: rg.checkpoint(f)(a),
}
USES = {
    "unary": lambda x: rg.exp(x), "binary": lambda x: x + 1, "right": lambda x: 1.0 * x, "reduction": lambda x: rg.sum(x),
    "in jit": lambda x: rg.jit(lambda y: y + x)(a), "in grad": lambda x: rg.grad(lambda y: rg.sum(y * x))(a),
    "in vmap": lambda x: rg.vmap(lambda y: y * x)(a), "in a loop": lambda x: rg.fori_loop(0, 2, lambda i, c: c + x, a),
    "into a cell": lambda x: setattr(rg.Buffer(np.ones(np.shape(x))), "value", x), "stack": lambda x: rg.stack([x, x]),
}  # fmt: skip


@pytest.mark.parametrize("transform", LEAKS)
@pytest.mark.parametrize("use", USES)
def test_an_escaped_tracer_names_the_transform_and_the_line(transform, use):
    leaked = leak(LEAKS[transform])
    text = message_of(
        (errors.EscapedTracer, errors.TracingError), lambda: USES[use](leaked), transform, HERE, "Return it"
    )
    assert f"LEAKS[{transform!r}]" in text or "transform(f)" in text or HERE in text


@pytest.mark.parametrize("transform", LEAKS)
def test_an_escaped_tracer_prints(transform):
    assert transform in repr(leak(LEAKS[transform]))
    with pytest.raises((errors.TracingError, errors.EscapedTracer), match=transform):
        leak(LEAKS[transform]).numpy()
    with pytest.raises((errors.TracingError, errors.EscapedTracer, errors.DifferentiationError)):
        leak(LEAKS[transform]).backward()


def test_a_tracer_in_another_thread_is_not_active_there():
    from concurrent.futures import ThreadPoolExecutor

    def f(x):
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(lambda: rg.sum(x * 2)).result()

    for transform in (rg.jit, rg.grad):
        with pytest.raises(errors.EscapedTracer, match="not active here"):
            transform(f)(a)


# Rules and transforms -------------------------------------------------------------------------------------------------


def test_grad_of_what_is_no_scalar():
    message_of(errors.ShapeError, lambda: rg.grad(rg.sin)(a), "scalar", r"\(2, 3\)", r"rg\.sum", r"rg\.jacobian")
    message_of(errors.RetrogradError, lambda: rg.grad(lambda x: (x, x))(1.0), "tuple", "has_aux=True")
    message_of(errors.RetrogradError, lambda: rg.grad(lambda x: None)(1.0), "NoneType", "scalar")
    message_of(errors.RetrogradError, lambda: rg.grad(rg.sin, argnums=3)(1.0), "argnums 3", "1 arguments")
    message_of(errors.RetrogradError, lambda: rg.grad(rg.sin)("text"), "str")


def test_vmap_lengths():
    message_of(errors.ShapeError, lambda: rg.vmap(lambda x, y: x)(a, b), "vmap", "one length", "2", "4")
    message_of(errors.ShapeError, lambda: rg.vmap(lambda x: x)(1.0), "scalar", "in_axes")
    message_of(errors.RetrogradError, lambda: rg.vmap(lambda x: x, out_axes=None)(a), "out_axes")


def test_a_missing_rule_names_the_transform_and_the_primitive():
    from retrograd.core.dispatch import apply
    from retrograd.core.primitive import REGISTRY, Primitive

    class Bare(Primitive):
        r"""y = x"""

        name = "bare_for_a_test"

        def evaluate(self, x):
            return x

        def infer(self, x):
            return x

    try:
        f = lambda x: rg.sum(apply(Bare(), x))
        message_of(errors.MissingRule, lambda: rg.grad(f)(a), "reverse", "bare_for_a_test")
        message_of(errors.MissingRule, lambda: rg.vmap(f)(a), "vmap", "bare_for_a_test")
        message_of(errors.MissingRule, lambda: rg.jvp(f, (a,), (a,)), "bare_for_a_test")
    finally:
        del REGISTRY["bare_for_a_test"]


# Where NumPy would not fail but mislead -------------------------------------------------------------------------------


def test_what_would_mislead_is_checked_first():
    message_of(ValueError, lambda: rg.nn.mse_loss(np.ones(64), np.ones((64, 1))), r"\(64,\)", r"\(64, 1\)")
    message_of(ValueError, lambda: rg.nn.Linear(3, 2)(np.ones((5, 4), "f")), "4", "3")
    message_of(
        (ValueError, IndexError),
        lambda: rg.nn.cross_entropy(np.ones((2, 3), "f"), np.array([0, 3])),
        "3",
        "label|class|target",
    )


def test_ambiguous_truth():
    message_of(ValueError, lambda: bool(rg.tensor(a)), "ambiguous", r"\(2, 3\)")
    message_of(TypeError, lambda: rg.tensor([1, 2]) & rg.tensor([1, 2]), "booleans")


def test_the_tree_of_exceptions():
    assert issubclass(errors.ShapeError, ValueError)
    assert issubclass(errors.DTypeError, TypeError)
    assert issubclass(errors.UnsupportedDtype, errors.DTypeError)
    assert issubclass(errors.SpentTape, errors.DifferentiationError)
    for name in ("BorderCrossed", "CellError", "EscapedTracer", "GraphError", "MissingRule", "TracingError"):
        assert issubclass(getattr(errors, name), errors.RetrogradError)
        assert name in errors.__doc__
