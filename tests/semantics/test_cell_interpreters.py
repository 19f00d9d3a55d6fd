"""The table of DESIGN section 3: what reading and assigning a cell mean to each interpreter. Every cell of it."""

import numpy as np
import pytest

import retrograd as rg
from retrograd.core.dispatch import current
from retrograd.core.overlay import Overlay
from retrograd.errors import BorderCrossed, CellError
from tests.semantics.ways import same


@pytest.fixture
def p():
    return rg.Parameter(np.array([1.0, 2.0]), name="weight")


@pytest.fixture
def b():
    return rg.Buffer(np.array([1.0, 2.0]), name="running_mean")


# Evaluate and record --------------------------------------------------------------------------------------------------


def test_evaluate_reads_the_value(b):
    same(b.value, np.array([1.0, 2.0]))
    assert not b.value.requires_grad


def test_recording_reads_a_leaf(p):
    assert p.value.requires_grad
    with rg.no_grad():
        assert not p.value.requires_grad


def test_evaluate_rebinds(p, b):
    array = p.array
    p.value = p * 2
    assert p.array is not array
    same(array, np.array([1.0, 2.0]))
    b.value = p * 1
    assert not b.value.requires_grad  # assigning is stop_gradient
    assert p.value.requires_grad
    rg.sum(p * p).backward()
    same(p.grad, 2 * np.array([2.0, 4.0]))


# grad, vjp, jvp -------------------------------------------------------------------------------------------------------

DERIVATIVES = {
    "grad": lambda f, x: rg.grad(lambda v: rg.sum(f(v)))(x),
    "vjp": lambda f, x: rg.vjp(f, x)[1](np.ones(2))[0],
    "jvp": lambda f, x: rg.jvp(f, (x,), (np.ones(2),))[1],
}
derivatives = pytest.mark.parametrize("derivative", DERIVATIVES.values(), ids=DERIVATIVES.keys())
maybe_jit = pytest.mark.parametrize("mode", [lambda f: f, rg.jit], ids=["eager", "jit"])


@derivatives
@maybe_jit
def test_a_cell_is_a_constant_of_a_derivative(derivative, mode, p):
    x = np.array([3.0, 4.0])
    same(derivative(mode(lambda v: v * p), x), np.array([1.0, 2.0]))


@derivatives
@maybe_jit
def test_a_cell_is_a_leaf_of_the_level_below(derivative, mode, p):
    """d/dp of the derivative of v**2 * p, which is 2 v p."""
    x = np.array([3.0, 4.0])
    rg.sum(derivative(mode(lambda v: v * v * p), x)).backward()
    same(p.grad, 2 * x)


@derivatives
@maybe_jit
def test_a_buffer_is_assigned_the_primal_at_once(derivative, mode, b):
    x, seen = np.array([3.0, 4.0]), []

    def f(v):
        b.value = v * 2
        seen.append(b.value)
        return v * b  # b is a constant now

    same(derivative(mode(f), x), 2 * x)
    same(b.value, 2 * x)
    assert not b.value.requires_grad


@derivatives
@maybe_jit
def test_a_parameter_refuses_a_value_of_the_variable(derivative, mode, p):
    def f(v):
        p.value = v * 2
        return v * p

    with pytest.raises(BorderCrossed, match=r"weight.*init.*update"):
        derivative(mode(f), np.array([3.0, 4.0]))
    same(p.value.detach(), np.array([1.0, 2.0]))


@derivatives
@maybe_jit
def test_a_parameter_takes_a_value_that_does_not_depend_on_the_variable(derivative, mode, p):
    def f(v):
        p.value = p * 2
        return v * p

    same(derivative(mode(f), np.array([3.0, 4.0])), np.array([2.0, 4.0]))
    same(p.value.detach(), np.array([2.0, 4.0]))


@derivatives
def test_the_outer_of_two_levels_refuses_too(derivative, p):
    def outer(v):
        def inner(u):
            p.value = v * 2
            return u

        return rg.grad(lambda u: rg.sum(inner(u)))(np.ones(2)) * v

    with pytest.raises(BorderCrossed, match="weight"):
        derivative(outer, np.array([3.0, 4.0]))


# vmap -----------------------------------------------------------------------------------------------------------------


@maybe_jit
def test_vmap_reads_a_cell_unbatched(mode, p):
    shapes = []

    def f(v):
        shapes.append(p.value.shape)
        return v * p

    same(rg.vmap(mode(f))(np.ones((3, 2))).detach(), np.tile([1.0, 2.0], (3, 1)))
    assert set(shapes) == {(2,)}


@maybe_jit
def test_vmap_refuses_a_batched_value(mode, b):
    def f(v):
        b.value = v
        return v

    with pytest.raises(CellError, match=r"running_mean.*Return.*functional_call\(.*mutable=True"):
        rg.vmap(mode(f))(np.ones((3, 2)))
    same(b.value, np.array([1.0, 2.0]))


@maybe_jit
def test_vmap_assigns_an_unbatched_value(mode, b):
    def f(v):
        b.value = b + 1
        return v * b

    same(rg.vmap(mode(f))(np.ones((3, 2))), np.tile([2.0, 3.0], (3, 1)))
    same(b.value, np.array([2.0, 3.0]))


# Stage ----------------------------------------------------------------------------------------------------------------


def test_the_first_read_makes_an_input(p):
    f = rg.jit(lambda: p + p * p)
    f()
    assert len(f.graph.inputs) == 1
    assert f.report().programs[0].reads == ("weight",)
    p.value = [3.0, 4.0]
    same(f().detach(), np.array([12.0, 20.0]))
    assert len(f.programs) == 1


def test_the_last_value_is_an_output_committed_after_the_call(b):
    seen = []

    @rg.jit
    def f():
        b.value = b + 1
        seen.append(b.array.copy())
        b.value = b * 10
        return b.value

    same(f(), np.array([20.0, 30.0]))
    same(seen[0], np.array([1.0, 2.0]))  # while it is traced, and before the end, the cell is as it was
    same(b.value, np.array([20.0, 30.0]))


def test_a_cell_never_holds_a_tracer(b):
    @rg.jit
    def f(x):
        b.value = x * 2
        raise KeyError

    with pytest.raises(KeyError):
        f(np.ones(2))
    assert type(b.array) is np.ndarray
    same(b.value, np.array([1.0, 2.0]))


# Bodies of loops ------------------------------------------------------------------------------------------------------


def looped(kind, body, times):
    """Run `body()` in a loop of this kind."""
    start = rg.tensor(0)
    if kind == "scan":
        rg.scan(lambda c, _: (body(), (c, None))[1], start, length=times)
    elif kind == "fori":
        rg.fori_loop(0, times, lambda i, c: (body(), c)[1], start)
    elif kind == "dynamic":
        rg.fori_loop(0, rg.tensor(times), lambda i, c: (body(), c)[1], start)
    elif kind == "while":
        rg.while_loop(lambda c: c < times, lambda c: (body(), c + 1)[1], start)
    elif kind == "bounded":
        rg.while_loop(lambda c: c < times, lambda c: (body(), c + 1)[1], start, max_iterations=times + 2)
    else:
        for _ in range(times):
            body()


loops = pytest.mark.parametrize("kind", ["scan", "fori", "dynamic", "while", "bounded"])


def inside(mode, f):
    """Run `f` eagerly, or in a jitted function."""
    return f() if mode == "eager" else rg.jit(f)()


@pytest.mark.parametrize("mode", ["eager", "jit"])
@loops
@pytest.mark.parametrize("times", [0, 1, 3])
def test_a_cell_that_is_read_first_is_carried(kind, mode, times, b):
    def body():
        b.value = b * 2 + 1

    inside(mode, lambda: looped(kind, body, times))
    expected = np.array([1.0, 2.0])
    for _ in range(times):
        expected = expected * 2 + 1
    same(b.value, expected)


@pytest.mark.parametrize("mode", ["eager", "jit"])
@loops
@pytest.mark.parametrize("times", [0, 1, 3])
def test_a_cell_that_is_assigned_first_is_live_out(kind, mode, times, b, p):
    def body():
        b.value = p * 3
        b.value = b + 1

    inside(mode, lambda: looped(kind, body, times))
    same(b.value, np.array([4.0, 7.0]) if times else np.array([1.0, 2.0]))


@pytest.mark.parametrize("mode", ["eager", "jit"])
@loops
@pytest.mark.parametrize("times", [0, 1, 3])
@pytest.mark.parametrize("entry", [None, 5.0])
def test_the_entry_state_of_a_cell_that_is_assigned_first_does_not_matter(kind, mode, times, entry, p):
    def body():
        p.grad = p * 3

    if entry is not None:
        p.grad = np.full(2, entry)
    inside(mode, lambda: looped(kind, body, times))
    if times:
        same(p.grad, np.array([3.0, 6.0]))
    elif entry is None:
        assert p.grad is None
    else:
        same(p.grad, np.full(2, entry))


@pytest.mark.parametrize("mode", ["eager", "jit"])
@loops
@pytest.mark.parametrize("value", [np.ones(3), np.ones(2, "f")])
def test_a_body_cannot_change_the_shape_or_dtype_of_a_cell(kind, mode, value, b):
    def body():
        b.value = rg.tensor(value) * 1

    with pytest.raises(CellError, match="running_mean"):
        inside(mode, lambda: looped(kind, body, 2))
    same(b.value, np.array([1.0, 2.0]))


@pytest.mark.parametrize("mode", ["eager", "jit"])
@loops
def test_a_body_that_finds_a_cell_absent_and_leaves_a_value_is_refused(kind, mode, p):
    """The second iteration would take another path than the one that was traced."""

    def body():
        p.grad = p * 1 if p.grad is None else p.grad * 2

    with pytest.raises(CellError, match=r"weight\.grad"):
        inside(mode, lambda: looped(kind, body, 3))
    assert p.grad is None


@loops
def test_cells_that_are_only_read_are_constants(kind, p, b):
    def body():
        b.value = b + p

    looped(kind, body, 4)
    same(b.value, 5 * np.array([1.0, 2.0]))


# Arms of cond ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["eager", "jit"])
@pytest.mark.parametrize("taken", [True, False])
def test_the_other_arm_hands_on_the_old_value(mode, taken, b, p):
    flag, other = rg.tensor(taken), rg.Buffer(np.zeros(2))

    def yes():
        b.value = b * 10
        return rg.tensor(1.0)

    def no():
        other.value = p + 1
        return rg.tensor(2.0)

    result = inside(mode, lambda: rg.cond(flag, yes, no))
    assert float(result) == (1.0 if taken else 2.0)
    same(b.value, np.array([10.0, 20.0]) if taken else np.array([1.0, 2.0]))
    same(other.value, np.zeros(2) if taken else np.array([2.0, 3.0]))


@pytest.mark.parametrize("mode", ["eager", "jit"])
@pytest.mark.parametrize("taken", [True, False])
def test_an_absent_cell_assigned_in_one_arm_stays_absent_on_the_other(mode, taken, p):
    def yes():
        p.grad = p * 2
        return rg.tensor(1.0)

    f = lambda flag: rg.cond(flag, yes, lambda: rg.tensor(0.0))
    (f if mode == "eager" else rg.jit(f))(rg.tensor(taken))
    if taken:
        same(p.grad, np.array([2.0, 4.0]))
    else:
        assert p.grad is None


@pytest.mark.parametrize("mode", ["eager", "jit"])
def test_an_arm_cannot_change_the_shape_of_a_cell(mode, b):
    def yes():
        b.value = rg.tensor(np.ones(3))
        return rg.tensor(1.0)

    with pytest.raises(CellError, match="running_mean"):
        inside(mode, lambda: rg.cond(rg.tensor(True), yes, lambda: rg.tensor(0.0)))


# The predicate of while_loop ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["eager", "jit"])
def test_a_predicate_reads_cells(mode, b):
    def run():
        def body(c):
            b.value = b + 1
            return c + 1

        return rg.while_loop(lambda c: rg.sum(b) < 10, body, rg.tensor(0))

    assert int(inside(mode, run)) == 4
    same(b.value, np.array([5.0, 6.0]))


@pytest.mark.parametrize("mode", ["eager", "jit"])
@pytest.mark.parametrize("bound", [None, 3])
def test_a_predicate_assigns_no_cells(mode, bound, b):
    def condition(c):
        b.value = b + 1
        return c < 3

    with pytest.raises(CellError, match="condition.*running_mean"):
        inside(mode, lambda: rg.while_loop(condition, lambda c: c + 1, rg.tensor(0), max_iterations=bound))
    same(b.value, np.array([1.0, 2.0]))


# Replays --------------------------------------------------------------------------------------------------------------


@maybe_jit
def test_the_replay_of_a_checkpoint_sees_the_first_values_and_drops_assignments(mode, b):
    x = rg.tensor([3.0, 4.0], requires_grad=True, dtype="float64")

    @rg.checkpoint
    def f(v):
        out = rg.sum(v * v * b)
        b.value = b + 1
        return out

    loss = f(x)
    same(b.value, np.array([2.0, 3.0]))
    b.value = [100.0, 100.0]
    loss.backward()
    same(x.grad, 2 * np.array([3.0, 4.0]) * np.array([1.0, 2.0]))
    same(b.value, np.array([100.0, 100.0]))
    b.value = [1.0, 2.0]
    same(rg.grad(mode(f))(np.array([3.0, 4.0])), 2 * np.array([3.0, 4.0]) * np.array([1.0, 2.0]))
    same(b.value, np.array([2.0, 3.0]))


def test_check_grads_leaves_cells_as_they_were(b, p):
    generator = rg.random.Generator(3)

    def f(v):
        b.value = b + 1
        p.grad = p * 1
        noise = rg.random.uniform((2,), generator=generator, dtype="float64")
        return rg.sum(v * v * b * p * noise)

    state = generator.array.copy()
    rg.check_grads(f, (np.array([3.0, 4.0]),))
    same(b.value, np.array([1.0, 2.0]))
    same(generator.array, state)
    assert p.grad is None


def test_explain_leaves_cells_as_they_were(b, p):
    def f(v):
        b.value = b + 1
        return rg.sum(v * v * b * p)

    str(rg.explain(f, np.array([3.0, 4.0])))
    same(b.value, np.array([1.0, 2.0]))
    assert p.grad is None


# Overlays, which functional_call and replays use ----------------------------------------------------------------------


def overlaid(values, f):
    from retrograd.core.dispatch import interpreter

    level = Overlay(current(), values)
    with interpreter(level):
        return f(), level


@maybe_jit
def test_an_overlay_reads_and_keeps_for_itself(mode, p, b):
    x = rg.tensor([5.0, 6.0], dtype="float64")

    @mode
    def f():
        b.value = b + p
        return b * p

    result, level = overlaid({p: x}, f)
    same(result, (np.array([1.0, 2.0]) + [5, 6]) * [5, 6])
    same(level.overlay[b], np.array([6.0, 8.0]))
    same(b.value, np.array([1.0, 2.0]))
    same(p.value.detach(), np.array([1.0, 2.0]))


@derivatives
@maybe_jit
def test_an_overlay_differentiates_with_respect_to_what_it_lays_over(derivative, mode, p):
    f = mode(lambda: p * p * 3)
    for _ in range(2):
        same(derivative(lambda v: overlaid({p: v}, f)[0], np.array([5.0, 6.0])), 6 * np.array([5.0, 6.0]))
    assert p.grad is None


@maybe_jit
def test_an_overlay_batches(mode, p):
    f = mode(lambda: p * p)
    found = rg.vmap(lambda v: overlaid({p: v}, f)[0])(np.arange(6.0).reshape(3, 2))
    same(found, np.arange(6.0).reshape(3, 2) ** 2)


def test_an_overlay_inside_a_jitted_function(p, b):
    @rg.jit
    def f(v):
        def g():
            b.value = b + p
            return b * p

        result, level = overlaid({p: v}, g)
        return result, level.overlay[b], p * 1

    out, new, old = f(np.array([5.0, 6.0]))
    same(out, (np.array([1.0, 2.0]) + [5, 6]) * [5, 6])
    same(new, np.array([6.0, 8.0]))
    same(old.detach(), np.array([1.0, 2.0]))
    same(b.value, np.array([1.0, 2.0]))


@pytest.mark.parametrize("kind", ["scan", "fori", "while", "bounded"])
def test_an_overlay_around_a_loop(kind, p, b):
    def f():
        looped(kind, lambda: setattr(b, "value", b + p), 3)
        return b.value

    result, _ = overlaid({p: rg.tensor([5.0, 6.0], dtype="float64")}, f)
    same(result, np.array([16.0, 20.0]))
    same(b.value, np.array([1.0, 2.0]))


def test_pytorch_style_calls_of_the_module_level():
    net = rg.nn.Linear(2, 1)
    params = net.parameters_tree()
    x = np.ones((3, 2), "f")

    def loss(tree):
        return rg.sum(rg.nn.functional_call(net, tree, x) ** 2)

    gradient = rg.grad(loss)(params)
    assert gradient["weight"].shape == (1, 2)
    rg.sum(net(x) ** 2).backward()
    np.testing.assert_allclose(gradient["weight"], net.weight.grad, rtol=1e-6)
