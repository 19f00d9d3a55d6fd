"""One training loop through LLVM gives what the interpreter gives, on results and on cells."""

import numpy as np
import pytest

import retrograd as rg
from retrograd.core.dispatch import apply
from retrograd.core.primitive import REGISTRY

pytest.importorskip("llvmlite", reason="the native spike compiles through llvmlite")

from benchmarks.native_spike.__main__ import problem
from benchmarks.native_spike.program import NativeProgram


def close(found, wanted):
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6 * max(1.0, np.abs(wanted).max()))


def native_and_interpreted(activation=rg.tanh):
    """Two equal problems: a native program over the cells of one, the jitted function over those of the other."""
    jitted, w, b, x = problem(5, 4, 3, steps=7, activation=activation, lr=0.05)
    start = w.numpy().copy(), b.numpy().copy()
    jitted(x)  # traced, and run once
    w.value, b.value = map(rg.tensor, start)
    return NativeProgram(jitted), w, b, problem(5, 4, 3, steps=7, activation=activation, lr=0.05)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "softplus", "relu", "exp", "stop_gradient"])
def test_the_loop_agrees_with_the_interpreter(name):
    prim = REGISTRY[name].of()
    native, w, b, (jitted, w2, b2, x) = native_and_interpreted(lambda z: z + apply(prim, z))
    for _ in range(3):
        close(native(x), jitted(x))
        close(w, w2)
        close(b, b2)
        close(w.grad, w2.grad)


def test_a_lent_cell_takes_a_fresh_array_and_any_other_is_written_in_place():
    native, w, b, (*_, x) = native_and_interpreted()
    native(x)
    own_w, own_b, copies = w.array, b.array, native.copies
    snapshot = w.numpy()
    before = snapshot.copy()
    native(x)
    assert native.copies == copies + 1
    assert w.array is not own_w
    assert b.array is own_b
    np.testing.assert_array_equal(snapshot, before)
    own_w = w.array
    native(x)
    assert native.copies == copies + 1
    assert w.array is own_w


def test_a_gradient_recorded_before_the_call_is_that_at_the_old_parameters():
    native, w, _, (*_, x) = native_and_interpreted()
    loss = rg.sum(rg.matmul(x, w) ** 2)
    wanted = 2 * x.numpy().T @ (x.numpy() @ w.numpy())
    native(x)
    w.grad = None
    loss.backward()
    close(w.grad, wanted)


def test_native_and_interpreted_calls_interleave_over_the_same_cells():
    jitted, w, b, x = problem(5, 4, 3, steps=7)
    jitted(x)
    native = NativeProgram(jitted)
    native(x)
    jitted(x)
    again, w2, b2, _ = problem(5, 4, 3, steps=7)
    for _ in range(3):
        again(x)
    close(w, w2)
    close(b, b2)
