"""Recording: `.backward()` above evaluation and above a stage; borders; `.grad` as a cell."""

import numpy as np
import pytest

import retrograd as rg
from retrograd.errors import BorderCrossed, DifferentiationError, SpentTape
from tests.semantics.ways import same


def eager(f):
    return f


both = pytest.mark.parametrize("mode", [eager, rg.jit], ids=["eager", "jit"])


# Leaves ---------------------------------------------------------------------------------------------------------------


def test_all_reads_of_one_value_share_one_leaf():
    p = rg.Parameter([1.0, 2.0])
    assert p.value is p.value
    loss = rg.sum(p * p.value + p.T * 3)
    loss.backward()
    same(p.grad, np.array([5, 7], "f"))


def test_a_new_value_is_a_new_leaf_with_the_same_grad():
    p = rg.Parameter(np.array([1.0]))
    old = p.value
    first = rg.sum(p * 2)
    p.value = [5.0]
    assert p.value is not old
    (first + rg.sum(p * 3)).backward()
    same(p.grad, np.array([5.0]))


@both
def test_backward_accumulates_as_in_pytorch(mode):
    p = rg.Parameter(np.array([1.0, 2.0]))
    sweep = mode(lambda: rg.sum(p * p).backward())
    for times in (1, 2, 3):
        sweep()
        same(p.grad, times * 2 * np.array([1.0, 2.0]))


@both
def test_backward_twice_in_one_call_accumulates(mode):
    p = rg.Parameter(np.array([1.0, 2.0]))

    def twice():
        rg.sum(p * p).backward()
        rg.sum(p).backward()
        return p.grad

    same(mode(twice)(), 2 * np.array([1.0, 2.0]) + 1)
    same(p.grad, 2 * np.array([1.0, 2.0]) + 1)


@both
def test_a_tape_is_swept_once_unless_it_is_kept(mode):
    p = rg.Parameter(np.array([2.0]))

    def spent():
        loss = rg.sum(p * p)
        loss.backward()
        loss.backward()

    def kept():
        loss = rg.sum(p * p)
        loss.backward(retain_graph=True)
        loss.backward()

    with pytest.raises(SpentTape, match="retain_graph=True"):
        mode(spent)()
    p.grad = None
    mode(kept)()
    same(p.grad, np.array([8.0]))


@both
def test_create_graph_differentiates_the_gradient(mode):
    p = rg.Parameter(np.array([2.0]))

    def penalty():
        p.grad = None
        rg.sum(p**3).backward(create_graph=True)
        g = p.grad
        p.grad = None
        rg.sum(g * g).backward()  # (3 p^2)^2 -> 36 p^3

    mode(penalty)()
    same(p.grad, np.array([288.0]))


@both
def test_a_gradient_for_values_that_are_no_scalar(mode):
    p = rg.Parameter(np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match=r"gradient="):
        mode(lambda: (p * p).backward())()
    with pytest.raises(ValueError, match=r"\(3,\).*\(2,\)"):
        mode(lambda: (p * p).backward(np.ones(3)))()
    mode(lambda: (p * p).backward(np.array([1.0, 10.0])))()
    same(p.grad, np.array([2.0, 40.0]))


@both
def test_no_grad_records_nothing(mode):
    p = rg.Parameter(np.array([1.0, 2.0]))

    def step():
        with rg.no_grad():
            y = rg.sum(p * p)
        (y + rg.sum(p)).backward()

    mode(step)()
    same(p.grad, np.ones(2))
    with rg.no_grad(), pytest.raises(DifferentiationError, match="requires_grad=True"):
        mode(lambda: rg.sum(p * p).backward())()


def test_backward_on_a_constant_says_what_to_do():
    with pytest.raises(DifferentiationError, match="requires_grad=True"):
        rg.sum(rg.tensor([1.0])).backward()


def test_only_leaves_keep_gradients():
    x = rg.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    rg.sum(y).backward()
    assert y.grad is None
    same(x.grad, np.array([2, 2], "f"))
    x.grad = None
    assert x.grad is None


def test_frozen_parameters_get_no_gradient():
    p, q = rg.Parameter([1.0]), rg.Parameter([2.0], requires_grad=False)
    rg.sum(p * q).backward()
    assert q.grad is None
    same(p.grad, np.array([2], "f"))


# Borders --------------------------------------------------------------------------------------------------------------


def test_a_sweep_does_not_cross_from_a_jitted_function_to_its_argument():
    x, p = rg.tensor([1.0, 2.0], requires_grad=True), rg.Parameter([1.0, 2.0])

    @rg.jit
    def f(a, x):
        rg.sum(p * x * a).backward()

    with pytest.raises(BorderCrossed, match=r"argument 1.*rg\.grad|argument 1.*value_and_grad"):
        f(2.0, x)
    assert p.grad is None
    assert x.grad is None


def test_a_sweep_does_not_cross_to_a_value_recorded_outside():
    p = rg.Parameter([1.0, 2.0])
    outside = p * 2

    @rg.jit
    def f():
        rg.sum(outside * 3).backward()

    with pytest.raises(BorderCrossed, match=r"recorded outside.*rg\.(grad|value_and_grad)"):
        f()
    assert p.grad is None


@pytest.mark.parametrize("loop", ["scan", "fori", "while", "cond", "checkpoint"])
def test_a_sweep_does_not_cross_the_border_of_a_loop_or_arm(loop):
    p = rg.Parameter([1.0, 2.0])
    outside = p * 2

    def sweep(*_):
        rg.sum(outside * 3).backward()
        return rg.tensor(0.0)

    run = {
        "scan": lambda: rg.scan(lambda c, _: (sweep(), c), rg.tensor(0.0), length=2),
        "fori": lambda: rg.fori_loop(0, 2, sweep, rg.tensor(0.0)),
        "while": lambda: rg.while_loop(lambda c: c < 1, sweep, rg.tensor(0.0)),
        "cond": lambda: rg.cond(True, sweep, sweep),
        "checkpoint": lambda: rg.checkpoint(sweep)(),
    }[loop]
    with pytest.raises(BorderCrossed, match="recorded outside"):
        run()
    assert p.grad is None


# The grad cell --------------------------------------------------------------------------------------------------------


def test_grad_is_none_until_assigned_and_can_be_cleared():
    p = rg.Parameter(np.array([1.0]))
    assert p.grad is None
    rg.sum(p).backward()
    p.grad = None
    assert p.grad is None
    rg.sum(p * 3).backward()
    same(p.grad, np.array([3.0]))


def test_grad_can_be_scaled_and_is_checked():
    p = rg.Parameter(np.array([1.0, 2.0]))
    rg.sum(p * 4).backward()
    p.grad = p.grad * 0.5
    same(p.grad, np.array([2.0, 2.0]))
    with pytest.raises(rg.errors.CellError, match="grad"):
        p.grad = np.ones(3)


STEPS = {
    "backward": lambda p: rg.sum(p * p).backward(),
    "zero, backward": lambda p: (clear(p), rg.sum(p * p).backward()),
    "backward, zero": lambda p: (rg.sum(p * p).backward(), clear(p)),
    "zero": lambda p: clear(p),
    "read and scale": lambda p: (rg.sum(p * p).backward(), scale(p)),
    "nothing": lambda p: rg.sum(p),
    "only if present": lambda p: scale(p) if p.grad is not None else rg.sum(p * p).backward(),
}


def clear(p):
    p.grad = None


def scale(p):
    p.grad = p.grad * 0.5


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS.keys())
@pytest.mark.parametrize("wrap", ["jit", "nested jit", "loop", "loop in jit", "cond in jit"])
def test_what_eager_would_show_after_a_call_the_compiled_call_shows(step, wrap):
    def run(mode):
        p = rg.Parameter(np.array([1.0, 2.0]))

        def once():
            step(p)
            return rg.sum(p)

        def thrice():
            return rg.fori_loop(0, 3, lambda i, c: once(), rg.tensor(0.0, dtype="float64"))

        def python():
            for _ in range(3):
                r = once()
            return r

        call = {
            "eager jit": once, "eager nested jit": once, "eager cond in jit": once,
            "eager loop": python, "eager loop in jit": python,
            "compiled jit": rg.jit(once), "compiled nested jit": rg.jit(lambda inner=rg.jit(once): inner()),
            "compiled loop": thrice, "compiled loop in jit": rg.jit(thrice),
            "compiled cond in jit": rg.jit(lambda: rg.cond(rg.sum(p) > 0, once, lambda: rg.sum(p))),
        }[f"{mode} {wrap}"]  # fmt: skip
        seen = []
        for turn in range(4):
            if turn == 2:
                p.grad = None
            call()
            seen.append(None if p.grad is None else np.array(p.grad))
        return seen

    if "loop" in wrap and step is STEPS["only if present"]:  # what it does depends on the iteration
        with pytest.raises(rg.errors.CellError, match=r"parameter\.grad has no value where fori_loop|scan"):
            run("compiled")
        return
    expected, found = run("eager"), run("compiled")
    for a, b in zip(expected, found, strict=True):
        assert (a is None) == (b is None), (expected, found)
        if a is not None:
            same(a, b)


def test_grad_in_a_native_loop_is_that_of_the_last_iteration():
    p = rg.Parameter(np.array([1.0, 2.0]))

    def body(i, c):
        p.grad = None
        loss = rg.sum(p * p)
        loss.backward()
        p.value = p - 0.1 * p.grad
        return loss

    rg.fori_loop(0, 3, body, rg.tensor(0.0, dtype="float64"))
    q = rg.Parameter(np.array([1.0, 2.0]))
    for _ in range(3):
        q.grad = None
        rg.sum(q * q).backward()
        q.value = q - 0.1 * q.grad
    same(p.grad, q.grad)
    same(p.value.detach(), q.value.detach())


# .backward() under a transform ----------------------------------------------------------------------------------------

TRANSFORMS = {
    "grad": lambda f: rg.grad(f)(rg.tensor(1.0)),
    "vjp": lambda f: rg.vjp(f, rg.tensor(1.0)),
    "jvp": lambda f: rg.jvp(f, (rg.tensor(1.0),), (rg.tensor(1.0),)),
    "vmap": lambda f: rg.vmap(f)(rg.tensor([1.0, 2.0])),
    "hessian": lambda f: rg.hessian(f)(rg.tensor(1.0)),
}


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS.keys())
@pytest.mark.parametrize("inside", ["plain", "jit", "called before", "nested jit", "scan", "checkpoint"])
def test_backward_inside_a_transform_names_the_functional_form(transform, inside):
    p = rg.Parameter([1.0, 2.0])

    def sweep():
        p.grad = None
        loss = rg.sum(p * p)
        loss.backward()
        return loss.detach()

    inner = sweep
    if inside in ("jit", "called before", "nested jit"):
        inner = rg.jit(sweep)
    if inside == "called before":
        inner()
    if inside == "nested jit":
        first = inner
        inner = rg.jit(lambda: first())
        inner()
    if inside == "scan":
        inner = lambda: rg.scan(lambda c, _: (sweep(), c), rg.tensor(0.0), length=2)[0]
    if inside == "checkpoint":
        inner = rg.checkpoint(sweep)
    p.grad = None
    with pytest.raises(DifferentiationError, match=r"rg\.grad|value_and_grad"):
        transform(lambda x: x * x + inner())
    assert p.grad is None


@pytest.mark.parametrize("around", [lambda f: f, rg.jit], ids=["eager", "jit"])
def test_a_leaf_made_inside_a_trace_is_new_each_time(around):
    def body(i, total):
        leaf = rg.tensor([1.0], requires_grad=True)
        rg.sum(leaf * leaf * 2.0).backward()
        return total + leaf.grad

    def loop(start):
        return rg.fori_loop(0, 3, body, start)

    for _ in range(2):
        assert around(loop)(rg.tensor([0.0])).tolist() == [12.0]
