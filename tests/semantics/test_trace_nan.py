"""`trace_nan` stops at the first value that is not finite: the planted line, its phase, and what to try."""

import numpy as np
import pytest

import retrograd as rg
from retrograd.errors import NonFiniteError, RetrogradError, TrainingDiverged


def caught(function, *args, **options):
    """The error of `function` under `trace_nan`."""
    with pytest.raises(NonFiniteError) as caught, rg.trace_nan(**options):
        function(*args)
    return caught.value


def check(error, operation, phase, suggestion, planted="planted"):
    """The error is about a line of this file that ends with `# planted`, and says what to try."""
    assert error.line is not None
    assert error.line.file == __file__
    assert error.line.text.endswith(f"# {planted}"), error.line
    assert (error.operation, error.phase) == (operation, phase)
    assert suggestion in error.suggestion
    assert error.suggestion in str(error)
    assert f"test_trace_nan.py:{error.line.number}" in str(error)


def both_ways(f):
    """`f`, and `f` jitted."""
    return pytest.mark.parametrize("wrap", [lambda g: g, rg.jit], ids=["eager", "jit"])(f)


def close(found, expected, rtol=1e-9, atol=0.0):
    """`np.allclose` on tensors."""
    return np.allclose(np.asarray(found), np.asarray(expected), rtol=rtol, atol=atol)


def same(found, expected):
    """Whether tensors or arrays are equal."""
    return bool((np.asarray(found) == np.asarray(expected)).all())


# Planted programs -------------------------------------------------------------------------------------------------------


@both_ways
def test_log_of_zero_in_a_loss(wrap):
    def loss(p):
        q = p / 2.0
        return -rg.mean(rg.log(q))  # planted

    error = caught(wrap(loss), rg.tensor([0.5, 0.0]))
    check(error, "log", "forward", "cross_entropy")
    (held,) = error.inputs
    assert (held.low, held.high, held.zeros, held.nans) == (0.0, 0.25, 1, 0)
    assert error.iteration is None
    assert "the first at [1]" in str(error)


@both_ways
def test_norm_at_zero_backward(wrap):
    def distance(x):
        d = x - x
        return rg.sqrt(rg.sum(d * d))  # planted

    check(caught(wrap(rg.grad(distance)), rg.tensor([1.0, 2.0])), "sqrt", "backward", "rg.sqrt(rg.sum(x**2) + 1e-12)")


def test_norm_at_zero_by_backward():
    x = rg.tensor([0.0, 0.0], requires_grad=True)
    with rg.trace_nan():
        y = rg.sqrt(rg.sum(x * x))  # planted
        with pytest.raises(NonFiniteError) as error:
            y.backward()
    check(error.value, "sqrt", "backward", "infinite slope")
    assert x.grad is None


@both_ways
def test_softmax_by_hand(wrap):
    def softmax(x):
        e = rg.exp(x)  # planted
        return e / rg.sum(e)

    check(caught(wrap(softmax), rg.tensor([1000.0, 1.0])), "exp", "forward", "rg.softmax")


@both_ways
@pytest.mark.parametrize("derivative", [lambda f: f, rg.grad], ids=["value", "grad"])
def test_division_in_a_scan(wrap, derivative):
    def total(x):
        def body(c, t):
            c = c / (2.0 - t)  # planted
            return c, c

        return rg.scan(body, x, np.arange(4.0))[0]

    error = caught(derivative(wrap(total)), 1.0)
    check(error, "divide", "forward", "denominator")
    assert error.iteration == 2
    assert "iteration 2" in str(error)


@both_ways
def test_division_in_a_fori_loop_backward(wrap):
    def total(x):
        def body(i, c):
            return rg.sqrt(c * c) + 0.0 * i  # planted

        return rg.fori_loop(0, 3, body, x)

    error = caught(wrap(rg.grad(total)), rg.tensor(0.0))
    check(error, "sqrt", "backward", "infinite slope")
    assert error.iteration == 2  # the sweep begins with the last


@both_ways
def test_while_loop(wrap):
    def until(x):
        return rg.while_loop(
            lambda c: c < 10.0,
            lambda c: c + 1.0 / (4.0 - c),  # planted
            x,
        )

    error = caught(wrap(until), 3.0)
    check(error, "divide", "forward", "division by 0")
    assert error.iteration == 1


@both_ways
def test_loop_in_a_loop(wrap):
    def table(x):
        def outer(i, c):
            def inner(j, d):
                return d + 1.0 / (i + j - 3.0)  # planted

            return rg.fori_loop(0, 2, inner, c)

        return rg.fori_loop(0, 4, outer, x)

    error = caught(wrap(table), 0.0)
    check(error, "divide", "forward", "division by 0")
    assert error.iteration == 1
    assert "iteration 1 of the loop in iteration 2" in str(error)


@both_ways
def test_where_trap(wrap):
    def f(x):
        return rg.sum(rg.where(x > 0, rg.sqrt(x), 0.0))  # planted

    error = caught(wrap(rg.grad(f)), np.array([1.0, 0.0]))
    check(error, "sqrt", "backward", "rg.piecewise")


@both_ways
@pytest.mark.parametrize("make", [lambda x: rg.sum(x**2), lambda x: rg.sum(x * x)], ids=["power", "product"])
def test_overflow_of_float32(wrap, make):
    error = caught(wrap(make), rg.tensor([1e20, 1.0]))
    assert error.phase == "forward"
    assert "largest float32" in error.suggestion


@both_ways
def test_overflow_in_a_sum(wrap):
    def f(x):
        return rg.sum(x)  # planted

    check(caught(wrap(f), rg.tensor([3e38, 3e38])), "sum", "forward", "largest float32")


@both_ways
def test_zero_by_zero(wrap):
    def ratio(a, b):
        return a / b  # planted

    error = caught(wrap(ratio), rg.tensor([0.0]), rg.tensor([0.0]))
    check(error, "divide", "forward", "0 / 0")


@both_ways
def test_negative_base(wrap):
    def f(x):
        return rg.sum(x**0.5)  # planted

    check(caught(wrap(f), rg.tensor([4.0, -2.0])), "power", "forward", "negative base")


def test_other_domains():
    assert "log1p needs" in caught(rg.log1p, rg.tensor([-1.0])).suggestion
    assert "rounded" in caught(rg.sqrt, rg.tensor([-1e-9])).suggestion
    assert "rsqrt" in caught(rg.rsqrt, rg.tensor([0.0])).suggestion
    assert "no elements" in caught(rg.mean, rg.tensor([])).suggestion
    assert "enough" in caught(lambda: rg.var(rg.tensor([1.0]), correction=1)).suggestion
    assert "float64" in caught(lambda: rg.astype(rg.tensor(np.array([1e300])), "float32")).suggestion
    assert "leaves it no element" in caught(rg.softmax, rg.tensor([-np.inf, -np.inf])).suggestion
    assert "0 * inf" in caught(lambda: rg.tensor([0.0]) * np.inf).suggestion


def test_jitted_step_with_an_optimizer():
    w = rg.Parameter(np.array([0.0, 1.0], "float32"))
    optimizer = rg.optim.SGD([w], lr=0.1)

    @rg.jit
    def step(x):
        optimizer.zero_grad()
        loss = rg.sum(x * rg.sqrt(w * w))  # planted
        loss.backward()
        optimizer.step()
        return loss

    before = np.asarray(w)
    check(caught(step, 2.0), "sqrt", "backward", "infinite slope")
    assert same(w, before)
    assert w.grad is None
    step(2.0)  # native again, and NaN goes through
    assert np.isnan(np.asarray(w)).any()


def test_program_that_ran_natively_before():
    f = rg.jit(lambda x: rg.log(x))  # planted
    f(rg.tensor(1.0))
    assert f(rg.tensor(0.0)).item() == -np.inf
    check(caught(f, rg.tensor(0.0)), "log", "forward", "log of 0")
    assert f(rg.tensor(0.0)).item() == -np.inf


@both_ways
def test_vmapped_grad(wrap):
    def f(x):
        return rg.sqrt(x * x)  # planted

    error = caught(wrap(rg.vmap(rg.grad(f))), np.array([1.0, 0.0, 2.0]))
    check(error, "sqrt", "backward", "infinite slope")
    assert "[1]" in str(error)


def test_module():
    class Net(rg.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = rg.nn.Linear(3, 2)

        def forward(self, x):
            h = self.linear(x)
            return rg.log(h - h)  # planted

    net = Net()
    check(caught(net, np.ones((4, 3), "float32")), "log", "forward", "log of 0")


@both_ways
def test_second_order(wrap):
    def f(x):
        return rg.sum(x**1.5)  # planted

    x = rg.tensor([1.0, 0.0])
    with rg.trace_nan():
        rg.grad(f)(x)
    error = caught(wrap(rg.hessian(f)), x)
    check(error, "power", error.phase, "fractional exponent")
    assert error.phase != "forward"


@both_ways
def test_grad_of_grad(wrap):
    def f(x):
        return x**1.5  # planted

    check(caught(wrap(rg.grad(rg.grad(f))), rg.tensor(0.0)), "power", "backward", "fractional exponent")


@both_ways
def test_forward_mode(wrap):
    def f(x):
        return rg.sqrt(x)  # planted

    def tangent(x):
        return rg.jvp(f, (x,), (rg.ones_like(x),))[1]

    check(caught(wrap(tangent), rg.tensor([0.0])), "sqrt", "tangent", "infinite slope")


@both_ways
def test_checkpoint_and_cond(wrap):
    def arm(x):
        return rg.sqrt(x * x)  # planted

    check(caught(wrap(rg.grad(rg.checkpoint(arm))), 0.0), "sqrt", "backward", "slope")
    check(caught(wrap(rg.grad(lambda x: rg.cond(x >= 0, arm, arm, x))), 0.0), "sqrt", "backward", "slope")


@both_ways
def test_declared_derivative(wrap):
    @rg.custom_vjp
    def f(x):
        return rg.exp(x)

    def forward(x):
        return f.f(x), x

    def backward(x, ct):
        return (ct / x,)  # planted

    f.defvjp(forward, backward)
    check(caught(wrap(rg.grad(f)), 0.0), "divide", "backward", "division by 0")


def test_trainer():
    model = rg.nn.Linear(3, 1)

    def loss(prediction, target):
        return rg.mean(rg.sqrt((prediction - target) * 0.0))  # planted

    x = np.ones((8, 3), "float32")
    for engine in ("eager", "native"):
        trainer = rg.train.Trainer(model, loss=loss, optimizer=rg.optim.SGD(model.parameters(), lr=0.1), engine=engine)
        before = [np.asarray(p) for p in model.parameters()]
        error = caught(lambda trainer=trainer: trainer.fit(x, x[:, :1], epochs=2, progress=False))
        check(error, "sqrt", "backward", "infinite slope")
        assert all(same(a, b) for a, b in zip(before, model.parameters(), strict=True))
    with pytest.raises(TrainingDiverged, match="trace_nan"):
        rg.train.Trainer(model, loss=loss, optimizer=rg.optim.SGD(model.parameters(), lr=0.1)).fit(
            x, x[:, :1], epochs=3, progress=False
        )


# What is no alarm ---------------------------------------------------------------------------------------------------------


@both_ways
def test_masks_and_missing_values_pass(wrap):
    mask = np.array([True, False, True])

    def masked(x):
        return rg.sum(rg.softmax(rg.where(mask, x, -np.inf)) ** 2)

    def filled(x, w):
        x = rg.where(rg.isnan(x), 0.0, x)
        return rg.sum(w * x)

    x, data, w = rg.tensor([1.0, 0.0, 2.0]), rg.tensor([1.0, np.nan]), rg.tensor([1.0, 2.0])
    expected = rg.grad(masked)(x)
    with rg.trace_nan():
        found = wrap(rg.grad(masked))(x)
        assert same(wrap(rg.grad(filled, 1))(data, w), [1.0, 0.0])
        assert np.isnan((data * 2).numpy()).any()
    assert close(found, expected, rtol=1e-6)


def test_missing_value_that_reaches_the_loss():
    data, w = rg.tensor([1.0, np.nan]), rg.tensor([1.0, 2.0], requires_grad=True)
    with rg.trace_nan():
        weighted = w * data  # used
        loss = rg.sum(weighted)
        with pytest.raises(
            NonFiniteError, match=r"data held 1 of 2 values that are not finite \(first at \[1\]\)"
        ) as e:
            loss.backward()
    assert "# used" in str(e.value)
    assert w.grad is None


@both_ways
def test_only_what_is_selected_counts(wrap):
    def f(x):
        return rg.cond(x > 0, rg.log, lambda x: x * 2.0, x)

    def g(x):
        return rg.cond(x >= 0, lambda x: rg.sqrt(x), lambda x: x, x)  # planted

    def h(x):
        return rg.while_loop(lambda c: c < 10.0, lambda c: rg.log(12.0 - c) + 9.5, x)

    with rg.trace_nan():
        assert close(wrap(rg.vmap(rg.grad(f)))(np.array([2.0, -1.0, 0.0])), [0.5, 2.0, 2.0])
        wrap(rg.vmap(h))(np.array([3.0, 12.0]))
    check(caught(wrap(rg.vmap(rg.grad(g))), np.array([1.0, 0.0])), "sqrt", "backward", "slope")


def test_nan_alone():
    with rg.trace_nan(infinities=False):
        assert rg.log(rg.tensor([0.0])).item() == -np.inf
    error = caught(lambda: rg.tensor([0.0]) / rg.tensor([0.0]), infinities=False)
    assert error.operation == "divide"


# Values, cells, places -----------------------------------------------------------------------------------------------------


@both_ways
def test_results_are_the_same(wrap):
    def f(x, w):
        def body(c, t):
            c = rg.tanh(c * w + t)
            return c, c * t

        last, ys = rg.scan(body, x, np.linspace(0.0, 1.0, 5))
        return rg.sum(last) + rg.sum(rg.cond(x > 0, lambda y: y * y, lambda y: y, ys))

    for g in (f, rg.grad(f, (0, 1)), rg.hessian(f), lambda x, w: rg.vmap(rg.grad(f), (0, None))(x * np.ones(2), w)):
        expected = np.asarray(g(0.3, 0.7))
        with rg.trace_nan():
            found = np.asarray(wrap(g)(0.3, 0.7))
        assert close(found, expected, rtol=1e-12, atol=1e-14)


@both_ways
def test_cells_stay_at_the_last_completed_iteration(wrap):
    def count(x):
        def body(i, c):
            holder.total = holder.total + 1.0
            return c / (2.0 - i)

        return rg.fori_loop(0, 4, body, x)

    class Holder(rg.nn.Module):
        def __init__(self):
            super().__init__()
            self.total = rg.Buffer(np.array(0.0))

    holder = Holder()
    assert caught(wrap(count), 1.0).iteration == 2
    assert float(holder.total) == 2.0


def test_parameter_never_takes_it():
    w = rg.Parameter(np.array([1.0], "float32"))
    optimizer = rg.optim.SGD([w], lr=0.1)
    error = caught(lambda: optimizer.step([rg.tensor([np.inf])]))
    assert "not finite" in error.suggestion
    assert same(w, [1.0])


def test_where_it_may_be_entered():
    def f(x):
        with rg.trace_nan():
            return x * 2

    for transformed in (rg.grad(f), rg.jit(f), rg.vmap(f)):
        with pytest.raises(RetrogradError, match="enter it around the outermost call"):
            transformed(np.ones(2) if transformed is not None and transformed.__name__ != "grad_f" else 1.0)
    with rg.no_grad(), pytest.raises(NonFiniteError), rg.trace_nan():
        rg.log(0.0)
    with rg.debug(), pytest.raises(NonFiniteError), rg.trace_nan():
        rg.log(0.0)
    with pytest.raises(NonFiniteError), rg.trace_nan(), rg.debug():
        rg.fori_loop(0, 2, lambda i, c: rg.log(c), 1.0)
    assert rg.log(0.0).item() == -np.inf
