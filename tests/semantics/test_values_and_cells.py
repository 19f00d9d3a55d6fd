"""Tensors are immutable; cells are the only mutable things, and each owns one array that it lends."""

import numpy as np
import pytest

import retrograd as rg
from retrograd.errors import CellError
from tests.semantics.ways import same

# Values ---------------------------------------------------------------------------------------------------------------


def test_item_assignment_raises_and_names_the_way():
    x = rg.tensor([1.0, 2.0])
    with pytest.raises(TypeError, match=r"immutable.*x\[0\] = 3.*\.at\[") as caught:
        x[0] = 3.0
    assert "test_values_and_cells.py" in str(caught.value)
    with pytest.raises(TypeError, match="immutable"):
        rg.Parameter([1.0])[0] = 2.0


def test_at_makes_a_new_tensor():
    x = rg.tensor([1.0, 2.0, 3.0])
    y = x.at[1].set(5.0)
    same(y, np.array([1, 5, 3], "f"))
    same(x.at[[0, 0, 2]].add(1.0), np.array([3, 2, 4], "f"))
    same(x, np.array([1, 2, 3], "f"))


def test_augmented_assignment_rebinds_the_name():
    x = y = rg.tensor([1.0, 2.0])
    y += 1.0
    same(x, np.array([1, 2], "f"))
    same(y, np.array([2, 3], "f"))


def test_no_operation_writes_into_its_arguments():
    x = rg.tensor(np.arange(6.0).reshape(2, 3))
    before = x.numpy().copy()
    for y in (x + 1, x.T, x[0], x.reshape(3, 2), rg.exp(x), x.at[0].set(0.0), rg.softmax(x)):
        np.asarray(y)
    same(x, before)


def test_an_ndarray_that_enters_is_copied():
    a = np.ones(3)
    x, p = rg.tensor(a), rg.Parameter(a)
    y = rg.tensor([0.0, 0.0, 0.0], dtype="float64") + a
    a[:] = 7.0
    for value in (x, p, y):
        same(value, np.ones(3))


def test_an_ndarray_kept_on_a_tape_is_copied():
    a, x = np.full(3, 2.0), rg.tensor(np.ones(3), requires_grad=True)
    y = rg.sum(x * a)
    a[:] = 7.0
    y.backward()
    same(x.grad, np.full(3, 2.0))


def test_a_residual_of_a_transform_is_copied():
    a = np.full(3, 2.0)
    _, pull = rg.vjp(lambda x: rg.sum(x * a), np.ones(3))
    a[:] = 7.0
    same(pull(1.0)[0], np.full(3, 2.0))


@pytest.mark.parametrize("make", [lambda: rg.tensor([1.0, 2.0]), lambda: rg.Parameter([1.0, 2.0])])
def test_arrays_that_leave_are_read_only(make):
    x = make()
    for array in (x.numpy(), np.asarray(x), x.T.numpy(), x[:1].numpy()):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 9.0
    writable = np.array(x)
    writable[:] = 9.0
    same(x, np.array([1, 2], "f"))


# Cells ----------------------------------------------------------------------------------------------------------------


def test_a_parameter_in_an_expression_reads_it():
    p = rg.Parameter([1.0, 2.0])
    old = p + 0.0
    p.value = [3.0, 4.0]
    same(p * 2, np.array([6, 8], "f"))
    same(old, np.array([1, 2], "f"))


@pytest.mark.parametrize("value, words", [(np.ones(3, "f"), r"f32\[2\].*f32\[3\]"), (np.ones(2), "float32|astype")])
def test_assignment_checks_shape_and_dtype(value, words):
    p = rg.Parameter([1.0, 2.0], name="weight")
    with pytest.raises(CellError, match=words) as caught:
        p.value = value
    assert "weight" in str(caught.value)
    same(p, np.array([1, 2], "f"))


def test_python_numbers_take_the_dtype_of_the_cell():
    p = rg.Parameter([1.0, 2.0], dtype="float64")
    p.value = [3, 4]
    same(p, np.array([3.0, 4.0]))
    p.grad = [1.0, 2.0]
    same(p.grad, np.array([1.0, 2.0]))
    s = rg.Parameter(1.0)
    s.value = 2
    s.grad = 3.0
    same(s, np.float32(2))
    same(s.grad, np.float32(3))


def test_equal_cells_are_different_cells():
    a, b = rg.Parameter([1.0]), rg.Parameter([1.0])
    assert len({a, b}) == 2
    b.value = [2.0]
    same(a, np.ones(1, "f"))


def test_integers_cannot_require_gradients():
    with pytest.raises(rg.errors.UnsupportedDtype, match="float"):
        rg.Parameter([1, 2])
    with pytest.raises(rg.errors.UnsupportedDtype, match="float"):
        rg.tensor([1, 2], requires_grad=True)


def test_freezing_and_thawing_take_effect_at_the_next_read():
    p = rg.Parameter([1.0])
    assert (p * 1).requires_grad
    p.requires_grad = False
    assert not (p * 1).requires_grad
    p.requires_grad = True
    assert (p * 1).requires_grad


# Lent cells -----------------------------------------------------------------------------------------------------------


def descent(p, compiled):
    """A function that moves `p` and returns nothing."""

    def step():
        p.grad = None
        rg.sum(p**3).backward()
        p.value = p - 0.1 * p.grad

    return rg.jit(step) if compiled else step


@pytest.mark.parametrize("jit_loss", [False, True], ids=["eager-loss", "jit-loss"])
@pytest.mark.parametrize("jit_step", [False, True], ids=["eager-step", "jit-step"])
def test_the_gradient_is_that_at_the_old_value(jit_loss, jit_step):
    p = rg.Parameter(np.array([1.0, 2.0]))
    f = rg.jit(lambda: rg.sum(p**4)) if jit_loss else (lambda: rg.sum(p**4))
    step = descent(p, jit_step)
    f(), step(), step()  # both are traced, and the cell has an array of its own
    at = np.array(p)
    loss = f()
    step(), step()
    p.grad = None
    loss.backward()
    same(p.grad, 4 * at**3)


VIEWS = {
    "value": lambda p: p.value, "transpose": lambda p: p.T, "slice": lambda p: p[1:], "reshape": lambda p: p.reshape(4),
    "numpy": lambda p: p.numpy(), "array": np.asarray, "dlpack": np.from_dlpack, "detach": lambda p: p.value.detach(),
    "a product by a jitted function": rg.jit(lambda p: p * 1.0),
    "a jitted function that returns it": rg.jit(lambda p: p.value),
    "a jitted view": rg.jit(lambda p: p.value.T), "a tree": rg.jit(lambda p: {"a": [p.value]}),
    "no_grad": lambda p: no_grad_value(p),
}  # fmt: skip


def no_grad_value(p):
    with rg.no_grad():
        return p.value


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
def test_a_snapshot_is_unchanged_after_a_hundred_compiled_steps(view):
    p = rg.Parameter(np.array([[1.0, 2.0], [3.0, 4.0]]) / 10)
    step = descent(p, compiled=True)
    step()
    snapshot = view(p)
    snapshot = snapshot["a"][0] if isinstance(snapshot, dict) else snapshot
    before = np.array(snapshot)
    for _ in range(100):
        step()
    same(snapshot, before)
    assert not np.array_equal(np.array(view(p)["a"][0] if isinstance(view(p), dict) else view(p)), before)


@pytest.mark.parametrize("lend", [False, True])
@pytest.mark.parametrize("view", [lambda w: w, lambda w: w.T, lambda w: w[0], lambda w: w.reshape(4)])
def test_a_result_that_shares_the_new_value_is_unchanged(view, lend):
    """The program returns the array, or a view of the array, that it also gives to the cell."""
    p = rg.Parameter(np.ones((2, 2)), requires_grad=False)

    @rg.jit
    def double():
        new = p * 2
        p.value = new
        return view(new)

    for _ in range(3):
        if lend:
            p.value
        result = double()
        kept = np.array(result)
        double(), double()
        same(result, kept)


def test_a_cell_that_was_assigned_a_tensor_does_not_write_into_it():
    p, x = rg.Parameter(np.ones(2)), rg.tensor(np.full(2, 0.5))
    step = descent(p, compiled=True)
    p.value = x
    step(), step()
    same(x, np.full(2, 0.5))
    y = x.T
    p.value = y
    step(), step()
    same(x, np.full(2, 0.5))


def test_cells_that_share_a_value_move_apart():
    a, b = rg.Parameter(np.ones(2)), rg.Parameter(np.zeros(2))

    @rg.jit
    def copy():
        b.value = a.value

    @rg.jit
    def swap():
        a.value, b.value = b.value + 1, a.value

    copy()
    step = descent(a, compiled=True)
    step()
    same(b, np.ones(2))
    before = np.array(a)
    swap()
    same(a, np.full(2, 2.0))
    same(b, before)
    rg.jit(lambda: exchange(a, b))()
    same(a, before)
    same(b, np.full(2, 2.0))


def exchange(a, b):
    a.value, b.value = b.value, a.value


def test_one_value_assigned_to_two_cells_is_two_arrays():
    a, b = rg.Parameter(np.ones(2)), rg.Parameter(np.ones(2))

    @rg.jit
    def tie():
        a.value = b.value = a + b

    tie()
    descent(a, compiled=True)()
    same(b, np.full(2, 2.0))


def test_two_programs_over_the_same_cells_interleave():
    def run(compile_):
        p, q = rg.Parameter(np.array([1.0, 2.0])), rg.Parameter(np.array([0.5, 0.25]))

        def first():
            p.value = p + 0.5 * q
            return rg.sum(p)

        def second():
            q.value = q * p
            p.value = p - 0.25
            return p.value

        first, second = compile_(first), compile_(second)
        seen = [first() if turn == "a" else second() for turn in "ababbaabab"]
        return [np.array(v) for v in [*seen, p, q]]

    for a, b in zip(run(lambda f: f), run(rg.jit), strict=True):
        same(a, b)


def test_eager_code_between_compiled_calls_sees_and_leaves_cells():
    p = rg.Parameter(np.array([1.0]))
    double = rg.jit(lambda: setattr(p, "value", p * 2))
    double()
    same(p, np.array([2.0]))
    p.value = p + 1
    double()
    same(p, np.array([6.0]))


def test_report_counts_the_copies_of_lent_cells():
    p = rg.Parameter(np.ones(2), requires_grad=False)
    double = rg.jit(lambda: setattr(p, "value", p * 2))

    def copies():
        return double.last.copies

    for _ in range(3):
        double()
    assert copies() == 0
    address = p.array.ctypes.data
    double()
    assert p.array.ctypes.data == address  # written in place
    p.numpy()
    double()
    assert copies() == 1
    assert p.array.ctypes.data != address
    double()
    assert copies() == 1  # the mark was cleared
    p.T
    p.T
    double()
    assert copies() == 2
    assert double.report().programs[-1].copies_of_lent_cells == 2
    assert "lent cells that took a fresh array: 2" in str(double.report())


def test_an_absent_cell_that_was_looked_at_is_no_copy():
    p = rg.Parameter(np.ones(2))
    assert p.grad is None
    step = descent(p, compiled=True)
    step()
    assert step.last.copies == 0
