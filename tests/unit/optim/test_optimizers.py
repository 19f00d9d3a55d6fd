"""Optimisers: one rule, two faces, the same bits. That they agree with PyTorch's is tested in tests/peers."""

import copy

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn, optim
from retrograd.errors import CellError, DifferentiationError, RetrogradError

MAKERS = {
    "sgd": lambda *p: optim.SGD(*p, lr=0.1),
    "momentum": lambda *p: optim.SGD(*p, lr=0.1, momentum=0.9, dampening=0.2, weight_decay=0.01),
    "nesterov": lambda *p: optim.SGD(*p, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda *p: optim.Adam(*p, lr=0.01),
    "decayed adam": lambda *p: optim.Adam(*p, lr=0.01, weight_decay=0.1, betas=(0.8, 0.95)),
    "scheduled": lambda *p: optim.Adam(*p, lr=lambda step: 0.1 * 0.9**step),
    "adagrad": lambda *p: optim.Adagrad(*p, lr=0.1, lr_decay=0.1, weight_decay=0.1),
    "rmsprop": lambda *p: optim.RMSprop(*p, lr=0.01, alpha=0.9, momentum=0.5, centered=True, weight_decay=0.1),
    "adamw": lambda *p: optim.AdamW(*p, lr=0.01, weight_decay=0.1),
    "amsgrad": lambda *p: optim.Adam(*p, lr=0.1, betas=(0.5, 0.5), amsgrad=True),
    "decoupled": lambda *p: optim.SGD(*p, lr=0.1, momentum=0.9, weight_decay=0.1, decoupled_weight_decay=True),
}
every = pytest.mark.parametrize("maker", MAKERS)

X = np.random.default_rng(0).normal(size=(16, 3))
Y = np.random.default_rng(1).integers(0, 2, 16)


def network(dtype="float32"):
    made = rg.random.Generator(3)
    return nn.Sequential(
        nn.Linear(3, 5, dtype=dtype, generator=made), nn.Tanh(), nn.Linear(5, 2, dtype=dtype, generator=made)
    )


def loss_of(model):
    x = X.astype(model[0].weight.dtype)
    return lambda: nn.cross_entropy(model(x), Y)


def train(model, optimizer, steps=7):
    loss = loss_of(model)
    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    return model.state_dict()


def assert_same(a, b, tolerance=0.0):
    assert list(a) == list(b)
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=tolerance, atol=tolerance, err_msg=name)


# The same bits -----------


@every
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pure_and_stateful_agree_bit_for_bit(maker, dtype):
    model = network(dtype)
    optimizer = MAKERS[maker](model.parameters())
    pure = MAKERS[maker]()
    params = model.parameters_tree()
    state = pure.init(params)
    for _ in range(7):
        _, grads = nn.value_and_grad(model, loss_of(model))()
        optimizer.step(grads)
        params, state = pure.update(grads, state, params)
        assert_same({n: v.numpy() for n, v in params.items()}, model.state_dict())
    assert state["step"].item() == optimizer.steps.item() == 7
    saved = optimizer.state_dict()
    for i, name in enumerate(params):
        for slot in optimizer.slots:
            np.testing.assert_array_equal(saved[f"{i}.{slot}"], state[slot][name].numpy())


@every
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("engine", ["native", "interpreter"])
def test_eager_and_jit_agree(maker, dtype, engine):
    """Bit for bit on the interpreter; natively sums are in another order."""
    tolerance = 0.0 if engine == "interpreter" else 1e-5 if dtype == "float32" else 1e-13
    eager, staged = network(dtype), network(dtype)
    expected = train(eager, optimizer := MAKERS[maker](eager.parameters()))
    other = MAKERS[maker](staged.parameters())
    loss = loss_of(staged)

    @rg.jit
    def step():
        other.zero_grad()
        value = loss()
        value.backward()
        other.step()
        return value

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RETROGRAD_ENGINE", engine)
        for _ in range(7):
            step()
    assert_same(expected, staged.state_dict(), tolerance)
    assert_same(optimizer.state_dict(), other.state_dict(), tolerance)


@every
def test_eager_and_a_loop_in_a_program_agree_bit_for_bit(maker):
    eager, staged = network(), network()
    expected = train(eager, optimizer := MAKERS[maker](eager.parameters()))
    other = MAKERS[maker](staged.parameters())
    f = nn.value_and_grad(staged, loss_of(staged))

    def body(i, last):
        value, grads = f()
        other.step(grads)
        return value

    rg.jit(lambda: rg.fori_loop(0, 7, body, rg.tensor(0.0)))()
    for (name, p), value in zip(staged.named_parameters(), expected.values(), strict=True):
        np.testing.assert_allclose(p.numpy(), value, rtol=2e-6, atol=1e-7, err_msg=name)
    assert other.steps.item() == optimizer.steps.item()


@every
def test_the_pure_pair_runs_in_scan_and_under_jit(maker):
    model = network("float64")
    pure = MAKERS[maker]()
    params = model.parameters_tree()
    x = rg.tensor(X)

    def body(carry, _):
        params, state = carry
        loss = lambda p: nn.cross_entropy(nn.functional_call(model, p, x), Y)
        value, grads = rg.value_and_grad(loss)(params)
        return pure.update(grads, state, params), value

    (last, _), losses = rg.jit(lambda: rg.scan(body, (params, pure.init(params)), rg.arange(7)))()
    assert losses.numpy()[-1] < losses.numpy()[0]
    expected = train(model, MAKERS[maker](model.parameters()))
    for name, value in last.items():
        np.testing.assert_allclose(value.numpy(), expected[name], rtol=1e-12)


@every
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_widths_are_kept_also_of_scalars(maker, dtype):
    parameters = [rg.Parameter(np.ones(shape, dtype)) for shape in ((), (2,), (0, 3))]
    optimizer = MAKERS[maker](parameters)
    grads = [np.full(p.shape, 0.5, dtype) for p in parameters]
    optimizer.step(grads)
    new, state = MAKERS[maker]().update(grads, MAKERS[maker]().init(parameters), parameters)
    for array in (*[p.array for p in parameters], *[v.value for v in new]):
        assert type(array) is np.ndarray
        assert array.dtype == dtype
    assert [v.shape for v in new] == [(), (2,), (0, 3)]
    assert all(s.array.dtype == dtype for slots in optimizer._slots for s in slots)
    assert state["step"].dtype == np.int64


# What a step does -----------------------------------------------------------------------------------------------------


def test_sgd_by_hand():
    p = rg.Parameter([1.0, 2.0], dtype="float64")
    optimizer = optim.SGD([p], lr=0.5, momentum=0.5)
    optimizer.step([np.array([1.0, 2.0])])
    assert p.tolist() == [0.5, 1.0]
    optimizer.step([np.array([1.0, 2.0])])
    assert p.tolist() == [-0.25, -0.5]


def test_the_first_step_of_adam_is_lr_times_the_sign():
    p = rg.Parameter([1.0, 2.0, 3.0], dtype="float64")
    optim.Adam([p], lr=0.25, eps=0.0).step([np.array([1e-3, -7.0, 2.0])])
    np.testing.assert_allclose(p.numpy(), [0.75, 2.25, 2.75], rtol=1e-12)


@every
def test_old_values_stay_what_they_were(maker):
    model = network()
    optimizer = MAKERS[maker](model.parameters())
    old = model[0].weight.value
    snapshot = old.numpy().copy()
    late = loss_of(model)()
    train(model, optimizer, 2)
    np.testing.assert_array_equal(old.numpy(), snapshot)
    early = network()
    loss_of(early)().backward()
    model.zero_grad()
    late.backward()  # the gradient at the old parameters
    np.testing.assert_array_equal(model[0].weight.grad.numpy(), early[0].weight.grad.numpy())


@every
def test_the_arguments_of_update_are_not_changed(maker):
    model = network()
    pure = MAKERS[maker]()
    params = {n: v.numpy().copy() for n, v in model.parameters_tree().items()}
    grads = {n: np.ones_like(v) for n, v in params.items()}
    state = pure.init(params)
    before = copy.deepcopy((params, grads))
    _, state = pure.update(grads, state, params)
    pure.update(grads, state, params)
    assert_same(params, before[0])
    assert_same(grads, before[1])


@every
def test_a_parameter_without_a_gradient_is_skipped(maker):
    model = network()
    optimizer = MAKERS[maker](model.parameters())
    train(model, optimizer, 2)
    state, slots = model.state_dict(), optimizer.state_dict()
    optimizer.zero_grad()
    (model[2].bias * 3.0).sum().backward()
    optimizer.step()
    after = model.state_dict()
    assert [n for n in state if (state[n] != after[n]).any()] == ["2.bias"]
    changed = {n for n, v in optimizer.state_dict().items() if (v != slots[n]).any()}
    assert changed == {"step", *[f"3.{slot}" for slot in optimizer.slots]}

    params = {"a": rg.ones(2), "b": rg.ones(2)}
    pure = MAKERS[maker]()
    new, _ = pure.update({"a": None, "b": rg.ones(2)}, pure.init(params), params)
    assert new["a"].tolist() == [1, 1]
    assert new["b"].tolist() != [1, 1]


def test_without_any_gradient_nothing_happens():
    model = network()
    optimizer = optim.SGD(model.parameters(), weight_decay=0.5)
    before = model.state_dict()
    optimizer.step()
    rg.jit(lambda: optimizer.step())()
    assert_same(before, model.state_dict())
    assert optimizer.steps.item() == 0


@every
def test_a_step_is_all_or_nothing(maker):
    model = network()
    optimizer = MAKERS[maker](model.parameters())
    train(model, optimizer, 1)
    before, slots = model.state_dict(), optimizer.state_dict()
    grads = {n: np.ones_like(v) for n, v in before.items()}
    for bad, error in ((np.ones((3, 3), np.float32), CellError), (np.ones((2, 5)), CellError)):
        with pytest.raises(
            error, match=r"the gradient of 2\.weight is float(32|64)\[[0-9, ]+\], the parameter float32\[2, 5\]"
        ):
            optimizer.step({**grads, "2.weight": bad})
    assert_same(before, model.state_dict())
    assert_same(slots, optimizer.state_dict())


def test_an_error_half_way_changes_no_cell():
    class Breaks(optim.Optimizer):
        lr = optim.Number()

        def __init__(self, params):
            super().__init__(params, slots=("seen",), lr=1.0)

        def numbers(self, read, steps):
            return read("lr")

        def rule(self, lr, parameter, gradient, seen):
            if parameter.shape == (2,):
                raise ZeroDivisionError
            return parameter - gradient * lr, seen + 1.0

    model = network()
    optimizer = Breaks(model.parameters())
    loss_of(model)().backward()
    before, slots = model.state_dict(), optimizer.state_dict()
    with pytest.raises(ZeroDivisionError):
        optimizer.step()
    assert_same(before, model.state_dict())
    assert_same(slots, optimizer.state_dict())


def test_zero_grad_clears_the_parameters():
    model = network()
    optimizer = optim.SGD(model.parameters())
    loss_of(model)().backward()
    optimizer.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_a_step_inside_grad_names_the_pure_pair():
    model = network()
    optimizer = optim.SGD(model.parameters())

    def f(x):
        optimizer.step({n: v * x for n, v in model.parameters_tree().items()})
        return x

    with pytest.raises(DifferentiationError, match=r"optimizer\.init and optimizer\.update"):
        rg.grad(f)(2.0)


def test_update_differentiates():
    """One step of gradient descent on w^2/2, then the derivative of the new loss with respect to lr: -w^2 (1 - lr)."""
    w = rg.tensor([3.0], dtype="float64")

    def after(lr):
        sgd = optim.SGD(lr=lambda _: lr)
        new, _ = sgd.update(w, sgd.init(w), w)
        return rg.sum(new**2) / 2

    assert rg.grad(after)(0.25).item() == pytest.approx(-9 * 0.75, rel=1e-14)

    def meta(p):
        adam = optim.Adam(lr=0.1)
        new, _ = adam.update(p * 2.0, adam.init(p), p)
        return rg.sum(new)

    h = 1e-6
    expected = (meta(w + h).item() - meta(w - h).item()) / (2 * h)
    assert rg.grad(meta)(w).item() == pytest.approx(expected, rel=1e-7)


# Which gradients ------------------------------------------------------------------------------------------------------


def test_gradients_are_found_by_path_also_from_further_up():
    model = network()
    outer = nn.Sequential({"net": model, "other": nn.Linear(1, 1)})
    optimizer = optim.SGD(outer.parameters(), lr=1.0)
    before = outer.state_dict()
    _, grads = nn.value_and_grad(model, loss_of(model))()
    optimizer.step(dict(reversed(grads.items())))
    for name, g in grads.items():
        np.testing.assert_allclose(outer.state_dict()[f"net.{name}"], before[f"net.{name}"] - g.numpy(), rtol=1e-6)
    np.testing.assert_array_equal(outer[1].weight.numpy(), before["other.weight"])
    optimizer.step({"net": {"0": {"bias": np.zeros(5, np.float32)}}})


def test_gradients_that_cannot_be_told_apart_are_refused():
    a, b = nn.Linear(1, 1), nn.Linear(1, 1)
    optimizer = optim.SGD([*a.parameters(), *b.parameters()])
    grads = {n: rg.ones(v.shape) for n, v in a.parameters_tree().items()}
    with pytest.raises(RetrogradError, match=r"the gradients are for weight, bias, .* give a list in the order"):
        optimizer.step(grads)
    with pytest.raises(RetrogradError, match="2 gradients for 4 parameters"):
        optimizer.step(list(grads.values()))
    optimizer.step([*grads.values(), None, None])
    with pytest.raises(RetrogradError, match=r"the gradients are for wait"):
        optimizer.step({"wait": rg.ones((1, 1))})


def test_trees_of_another_structure_are_refused():
    pure = optim.Adam()
    params = {"a": rg.ones(2)}
    with pytest.raises(RetrogradError, match="the gradients must have the structure"):
        pure.update({"b": rg.ones(2)}, pure.init(params), params)
    with pytest.raises(RetrogradError, match="the state has no 'exp_avg'; make it with init"):
        pure.update(params, {"step": 0}, params)
    with pytest.raises(CellError, match=r"the gradient of a parameter is float32\[3\], the parameter float32\[2\]"):
        pure.update({"a": rg.ones(3)}, pure.init(params), params)
