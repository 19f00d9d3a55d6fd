"""What `jit` sees beside its arguments: closures, globals, cells, settings; retraces, and what the report says."""

import functools
import warnings

import numpy as np
import pytest

import retrograd as rg
from retrograd.errors import RetrogradError, TracingError
from retrograd.jit.jitted import RetraceWarning
from tests.semantics.ways import Counted, f32, same


class Plain:
    def __init__(self, k):
        self.k = k


# Closures, globals, defaults ------------------------------------------------------------------------------------------

SCALE = 2
TABLE = [1.0]


def scaled(x):
    return x * SCALE


def through(x):
    return scaled(x) + 1


def test_globals_by_value_through_functions(monkeypatch):
    f = rg.jit(through)
    same(f(f32(1)), np.full(1, 3, "f"))
    monkeypatch.setitem(globals(), "SCALE", 5)
    same(f(f32(1)), np.full(1, 6, "f"))
    monkeypatch.setitem(globals(), "SCALE", 2.5)
    same(f(f32(1)), np.full(1, 3.5, "f"))


def test_a_function_that_was_replaced(monkeypatch):
    f = rg.jit(through)
    same(f(f32(1)), np.full(1, 3, "f"))
    monkeypatch.setitem(globals(), "scaled", lambda x: x * 100)
    same(f(f32(1)), np.full(1, 101, "f"))


def test_closures_by_value():
    k = 2

    def inner(x):
        return x * k

    f = rg.jit(lambda x: [inner(v) for v in [x]][0])
    same(f(f32(1)), np.full(1, 2, "f"))
    k = 7
    same(f(f32(1)), np.full(1, 7, "f"))
    k = 2.0
    same(f(f32(1)), np.full(1, 2, "f"))


def test_nested_code_counts():
    k = 2

    def f(x):
        def g(y):
            return (lambda z: z * k * SCALE)(y)

        return g(x)

    f = rg.jit(f)
    same(f(f32(1)), np.full(1, 4, "f"))
    k = 3
    same(f(f32(1)), np.full(1, 6, "f"))


def test_defaults_by_value():
    def make(n):
        def f(x, *, k=n, m=n):
            return x * k + m

        return rg.jit(f)

    same(make(2)(f32(1)), np.full(1, 4, "f"))
    same(make(3)(f32(1)), np.full(1, 6, "f"))


def test_other_objects_by_identity():
    box = Plain(2)
    f = rg.jit(lambda x: x * box.k)
    same(f(f32(1)), np.full(1, 2, "f"))
    box.k = 3
    same(f(f32(1)), np.full(1, 2, "f"))  # what is inside was read once, at trace time
    box = Plain(3)
    same(f(f32(1)), np.full(1, 3, "f"))


def test_closed_over_arrays_are_inputs_by_identity():
    x, w = f32(2), rg.tensor([1.0, 2.0])
    f = rg.jit(lambda: x + w)
    f()
    assert len(f.graph.inputs) == 2
    x = f32(2) * 3
    w = rg.tensor([5.0, 5.0])
    same(f(), np.array([8, 8], "f"))
    assert f.report().programs[-1].captured == ("f32[2]", "f32[2]")


def test_a_closed_over_leaf_is_traced_once():
    w = rg.tensor([1.0, 2.0], requires_grad=True)
    f = Counted(lambda x: rg.sum(w * x))
    assert f.traces((f32(2),), (f32(2),), (f32(2),)) == 1
    f(f32(2) * 3).backward()
    same(w.grad, 3 * f32(2))


def test_partials_methods_and_callable_objects(monkeypatch):
    class Model:
        def __init__(self, k):
            self.k = k

        def __call__(self, x):
            return x * self.k * SCALE

        def method(self, x):
            return x * self.k * SCALE

    for make in (
        lambda k: functools.partial(lambda k, x: x * k * SCALE, k), Model, lambda k: Model(k).method,
    ):  # fmt: skip
        monkeypatch.setitem(globals(), "SCALE", 2)
        f, g = rg.jit(make(2)), rg.jit(make(3))
        same(f(f32(1)), np.full(1, 4, "f"))
        same(g(f32(1)), np.full(1, 6, "f"))
        monkeypatch.setitem(globals(), "SCALE", 5)
        same(f(f32(1)), np.full(1, 10, "f"))
        same(g(f32(1)), np.full(1, 15, "f"))


def test_a_jitted_method():
    class Model(rg.nn.Module):
        def __init__(self, k):
            self.k = rg.Parameter(np.full(1, k, "f"))

        @rg.jit
        def double(self, x):
            return x * self.k * 2

    a, b = Model(2), Model(3)
    same(a.double(f32(1)).detach(), np.full(1, 4, "f"))
    same(b.double(f32(1)).detach(), np.full(1, 6, "f"))
    assert len(Model.double.programs) == 2


def test_lambdas_made_again_in_a_loop_share_the_program():
    count = []

    def call(x, k):
        def f(y):
            count.append(1)
            return y * k

        return rg.jit(f)(x)

    for _ in range(5):
        same(call(f32(1), 2), np.full(1, 2, "f"))
    assert len(count) == 1
    same(call(f32(1), 3), np.full(1, 3, "f"))
    assert len(count) == 2


def test_equal_code_over_different_cells_is_kept_apart():
    def make():
        p = rg.Parameter(f32(1))

        @rg.jit
        def step():
            p.value = p + 1

        return p, step

    (p, step_p), (q, step_q) = make(), make()
    step_p(), step_p(), step_q()
    same(p.value.detach(), 3 * f32(1))
    same(q.value.detach(), 2 * f32(1))


# Cells ----------------------------------------------------------------------------------------------------------------


def test_presence_shape_and_dtype_only_if_read_before_assigned():
    p = rg.Parameter(f32(2))
    reads = Counted(lambda: p.grad * 2 if p.grad is not None else p * 1)
    writes = Counted(lambda: (setattr(p, "grad", p * 3), p.grad * 2)[1])
    assert reads.traces((), ()) == 1
    assert writes.traces((), ()) == 1
    same(p.grad, 3 * f32(2))
    assert reads.traces((), ()) == 1
    p.grad = None
    assert reads.traces(()) == 0
    assert writes.traces((), ()) == 0


def test_the_presence_that_an_inner_function_loop_or_arm_read():
    for wrap in (
        lambda f: lambda: f(),
        lambda f: rg.jit(f),
        lambda f: lambda: rg.cond(rg.tensor(True), f, f),
        lambda f: lambda: rg.fori_loop(0, 1, lambda i, c: f(), rg.tensor(0.0)),
        lambda f: rg.checkpoint(f),
    ):
        p = rg.Parameter(f32(2))

        def look(p=p):
            return rg.tensor(1.0) if p.grad is None else rg.sum(p.grad)

        f = rg.jit(wrap(look))
        assert float(f()) == 1.0
        p.grad = 5 * f32(2)
        assert float(f()) == 10.0
        p.grad = None
        assert float(f()) == 1.0


def test_values_of_cells_are_inputs():
    p, lr = rg.Parameter(f32(2)), rg.Setting(0.5, name="lr")
    f = Counted(lambda: setattr(p, "value", p * lr))
    for value in (0.5, 0.25, 3.0):
        lr.value = value
        f()
    assert len(f.count) == 1
    same(p.value.detach(), np.full(2, 0.375, "f"))
    assert p.value.dtype == np.float32


def test_frozen_cells_are_another_program():
    p, q = rg.Parameter(f32(2)), rg.Parameter(f32(2))

    @rg.jit
    def step():
        p.grad = q.grad = None
        rg.sum(p * q).backward()

    step()
    p.requires_grad = False
    step()
    assert p.grad is None
    same(q.grad, f32(2))
    p.requires_grad = True
    step()
    same(p.grad, f32(2))


# Settings -------------------------------------------------------------------------------------------------------------


def test_training_mode_is_key_and_lr_is_not():
    net = rg.nn.Sequential(rg.nn.Linear(2, 2), rg.nn.Dropout(0.5))
    f = Counted(lambda x: net(x))
    assert f.traces((f32(1, 2),), (f32(1, 2),)) == 1
    net.eval()
    assert f.traces((f32(1, 2),), (f32(1, 2),)) == 1
    net.train()
    assert f.traces((f32(1, 2),)) == 0
    assert any("training" in r for r in f.jitted.report().retraces)


def test_the_structure_of_a_module_is_key():
    net = rg.nn.Sequential(rg.nn.Linear(2, 2, bias=False))
    for call in (rg.jit(lambda x: net(x)), rg.jit(net)):
        x = f32(1, 2)
        before = call(x).numpy()
        net[0] = rg.nn.Linear(2, 2, bias=False)
        after = call(x).numpy()
        assert not np.array_equal(before, after)
        same(after, net(x).detach())


def test_recording_default_dtype_and_debug_mode_are_key():
    p = rg.Parameter(f32(2))
    f = Counted(lambda: rg.mean(rg.tensor([1, 2])) * p)
    f()
    with rg.no_grad():
        assert not f().requires_grad
    with rg.default_dtype("float64"):
        assert f().dtype == np.float64
    assert f().requires_grad
    assert f().dtype == np.float32
    with rg.debug():
        f()
    assert len(f.count) == 4


# Retraces -------------------------------------------------------------------------------------------------------------


def test_report_lists_retraces_and_why():
    p = rg.Parameter(f32(2), name="weight")
    k = 1

    @rg.jit
    def f(x, mode):
        return x * p * k if p.grad is None else x

    f(f32(2), "a"), f(f32(1), "a"), f(f32(1), "b")
    p.grad = f32(2)
    f(f32(1), "b")
    k = 2
    f(f32(1), "b")
    shape, mode, grad, closure = f.report().retraces
    assert shape == "argument 0: f32[2] -> f32[1]"
    assert mode == "argument 1: 'a' -> 'b'"
    assert grad == "weight.grad: absent -> f32[2]"
    assert closure == "closure k: 1 -> 2"
    text = str(f.report())
    assert "5 programs" in text
    assert "weight" in text
    assert shape in text


def test_the_report_before_a_call():
    f = rg.jit(lambda x: x)
    assert "0 programs" in str(f.report())
    with pytest.raises(RetrogradError, match="first call"):
        f.graph


@pytest.mark.parametrize("reason", ["argument 0", "closure k", "weight"])
def test_the_eighth_retrace_for_one_reason_warns(reason):
    p = rg.Buffer(f32(1), name="weight")
    k = 0

    @rg.jit
    def f(n):
        return rg.sum(p * n * k)

    def change(i):
        nonlocal k
        if reason == "argument 0":
            return i
        if reason == "closure k":
            k = i
        else:
            p.type = None
            p.rebind(f32(i + 1))
        return 0

    f(change(0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for i in range(1, 8):
            f(change(i))
    with pytest.warns(RetraceWarning, match=rf"8 times.*{reason}.*Python float") as caught:
        f(change(8))
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        f(change(9))


def test_a_tail_batch_is_a_second_program():
    f = Counted(lambda x: rg.sum(x))
    batches = [f32(4, 2), f32(4, 2), f32(3, 2)] * 3
    assert [float(f(b)) for b in batches] == [8, 8, 6] * 3
    assert len(f.count) == 2


def test_nested_jit_is_traced_once_and_called():
    inner = Counted(lambda x: x * 2)
    outer = Counted(lambda x: inner(x) + inner(x) + inner(x * 3))
    same(outer(f32(1)), np.full(1, 10, "f"))
    same(outer(f32(1)), np.full(1, 10, "f"))
    assert (len(inner.count), len(outer.count)) == (1, 1)
    assert [e.prim.name for e in outer.jitted.graph.equations].count("call") == 3


def test_everything_else_is_read_once():
    seen = []
    box = {"k": 2.0}

    @rg.jit
    def f(x):
        seen.append(1)
        return x * box["k"]

    f(f32(1))
    box["k"] = 3.0
    same(f(f32(1)), np.full(1, 2, "f"))
    assert seen == [1]


def test_branching_on_a_traced_value_names_the_way():
    @rg.jit
    def f(x):
        return x if rg.sum(x) > 0 else -x

    with pytest.raises(TracingError, match=r"rg\.(where|cond).*jit of f|jit of f.*rg\.where") as caught:
        f(f32(2))
    assert "return x if rg.sum(x) > 0" in str(caught.value)
    for convert in (float, int, lambda v: v.item(), lambda v: v.numpy(), np.asarray, lambda v: range(v)):
        with pytest.raises((TracingError, TypeError), match="trac"):
            rg.jit(convert)(rg.tensor(1))


def test_jit_takes_functions():
    with pytest.raises(RetrogradError, match="function"):
        rg.jit(3)
