"""Settings of optimisers, schedules, and what is saved."""

import copy

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn, optim
from retrograd.errors import ModelError, RetrogradError, TracingError

MAKERS = {
    "momentum": lambda *p: optim.SGD(*p, lr=0.1, momentum=0.9, dampening=0.2, weight_decay=0.01),
    "adam": lambda *p: optim.Adam(*p, lr=0.01),
    "scheduled": lambda *p: optim.Adam(*p, lr=lambda step: 0.1 * 0.9**step),
}
every = pytest.mark.parametrize("maker", MAKERS)

X = np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32)
Y = np.random.default_rng(1).integers(0, 2, 16)


def network():
    made = rg.random.Generator(3)
    return nn.Sequential(nn.Linear(3, 5, generator=made), nn.Tanh(), nn.Linear(5, 2, generator=made))


def loss_of(model):
    return lambda: nn.cross_entropy(model(X), Y)


def train(model, optimizer, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(model)().backward()
        optimizer.step()
    return model.state_dict()


def assert_same(a, b, tolerance=0.0):
    assert list(a) == list(b)
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=tolerance, atol=tolerance, err_msg=name)


# Settings -------------------------------------------------------------------------------------------------------------


def test_settings_are_cells_that_programs_read():
    p = rg.Parameter([1.0], dtype="float64")
    optimizer = optim.SGD([p], lr=0.5)
    step = rg.jit(lambda: optimizer.step([np.ones(1)]))
    step()
    optimizer.lr = 0.25
    step()
    assert p.tolist() == [0.25]
    assert optimizer.lr == 0.25
    assert float(optimizer.lr) == 0.25
    optimizer.lr = optimizer.lr * 2
    assert optimizer.lr.item() == 0.5
    optimizer.lr *= 2
    optimizer.lr = np.float32(0.5)
    optimizer.lr = rg.tensor(0.5)
    assert repr(optimizer) == "SGD(lr=0.5, momentum=0, dampening=0, weight_decay=0)   1 parameters, 1 numbers"


def test_a_setting_can_be_assigned_inside_a_program():
    p = rg.Parameter([1.0], dtype="float64")
    optimizer = optim.SGD([p], lr=0.5)

    @rg.jit
    def step():
        optimizer.step([np.ones(1)])
        optimizer.lr = optimizer.lr * 0.5

    step()
    step()
    assert (p.tolist(), optimizer.lr.item()) == ([0.25], 0.125)


@pytest.mark.parametrize("setting", ["weight_decay", "dampening"])
def test_a_setting_that_was_0_joins_the_rule_when_it_is_assigned(setting):
    def trained(jit):
        model = network()
        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        f = nn.value_and_grad(model, loss_of(model))
        step = jit(lambda: optimizer.step(f()[1]))
        step()
        version = optimizer._version
        setattr(optimizer, setting, 0.25)
        assert optimizer._version != version
        step()
        setattr(optimizer, setting, 0.0)
        assert optimizer._version == version + 1
        step()
        return model.state_dict()

    assert_same(trained(lambda f: f), trained(rg.jit), tolerance=1e-6)


def test_values_that_make_no_sense_are_refused():
    p = [rg.Parameter([1.0])]
    for make, message in (
        (lambda: optim.SGD(p, lr=-1.0), "SGD: lr is at least 0, not -1.0"),
        (lambda: optim.SGD(p, lr=float("nan")), "lr is at least 0, not nan"),
        (lambda: optim.SGD(p, lr=rg.ones(2)), r"lr is a number, not an array of shape \(2,\)"),
        (lambda: optim.SGD(p, momentum=abs), "only lr can be a schedule"),
        (lambda: optim.SGD(p, nesterov=True), "nesterov needs momentum"),
        (lambda: optim.SGD(p, momentum=0.9, dampening=0.1, nesterov=True), "no dampening"),
        (lambda: setattr(optim.SGD(p), "momentum", 0.9), "made without momentum"),
        (lambda: optim.Adam(p, betas=(0.9, 1.0)), "Adam: beta2 is at least 0 and below 1, not 1.0"),
        (lambda: optim.Adam(p, betas=0.9), "betas are two numbers"),
        (lambda: optim.SGD(0.1), r"the parameters come first.*SGD\(lr=0.1\)"),
        (lambda: optim.SGD([]), "there are no parameters"),
        (lambda: optim.SGD(p[0]), r"give a list"),
        (lambda: optim.SGD([rg.tensor([1.0], requires_grad=True)]), "tensors are immutable"),
        (lambda: optim.SGD([np.ones(2)]), "parameters are rg.Parameter, not ndarray"),
    ):
        with pytest.raises(RetrogradError, match=message):
            make()


def test_parameters_come_in_any_form_and_each_once():
    model = network()
    for given in (model, model.parameters(), model.named_parameters(), [*model.parameters(), *model.parameters()]):
        assert optim.SGD(given).parameters == list(model.parameters())


def test_the_pure_pair_has_no_step():
    adam = optim.Adam()
    assert repr(adam).startswith("Adam(lr=0.001, beta1=0.9")
    for name in ("step", "zero_grad", "state_dict"):
        with pytest.raises(RetrogradError, match=r"made without parameters .* rg\.optim\.Adam\(model\.parameters\(\)"):
            getattr(adam, name)()


# Schedules ------------------------------------------------------------------------------------------------------------


def test_a_schedule_counts_completed_steps():
    p = rg.Parameter([0.0], dtype="float64")
    optimizer = optim.SGD([p], lr=lambda step: step)
    seen = []
    for _ in range(4):
        seen.append(optimizer.lr.item())
        optimizer.step([np.ones(1)])
    assert seen == [0, 1, 2, 3]
    assert p.tolist() == [-6]
    optimizer.lr = 1.0
    optimizer.step([np.ones(1)])
    assert p.tolist() == [-7]


def test_a_schedule_may_use_any_function_of_the_library():
    def warm(step):
        return rg.where(step < 2, 0.5 * (step + 1), rg.cos(step))

    p, q = rg.Parameter([0.0], dtype="float64"), rg.Parameter([0.0], dtype="float64")
    a, b = optim.SGD([p], lr=warm), optim.SGD([q], lr=warm)
    run = rg.jit(lambda: b.step([np.ones(1)]))
    for _ in range(4):
        a.step([np.ones(1)])
        run()
    assert p.tolist() == q.tolist()
    assert p.item() == pytest.approx(-(0.5 + 1.0 + np.cos(2) + np.cos(3)))
    assert p.dtype == np.float64


def test_a_schedule_of_float32_parameters_keeps_them():
    p = rg.Parameter([0.0])
    optim.SGD([p], lr=lambda _: rg.tensor(0.5, dtype="float64")).step([np.ones(1, np.float32)])
    assert (p.tolist(), p.dtype) == ([-0.5], np.float32)


def test_structure_is_not_changed_inside_a_program():
    p = rg.Parameter([0.0])
    optimizer = optim.SGD([p])
    with pytest.raises(TracingError, match="the first weight_decay other than 0"):
        rg.jit(lambda: setattr(optimizer, "weight_decay", 0.5))()
    with pytest.raises(TracingError, match="a schedule for lr"):
        rg.jit(lambda: setattr(optimizer, "lr", lambda step: step))()


# Saving ---------------------------------------------------------------------------------------------------------------


@every
def test_a_run_goes_on_where_it_was_saved(maker):
    model = network()
    optimizer = MAKERS[maker](model.parameters())
    train(model, optimizer, 3)
    saved = model.state_dict(), optimizer.state_dict()
    expected = train(model, optimizer, 4)

    other = network()
    again = MAKERS[maker](other.parameters())
    other.load_state_dict(saved[0])
    again.load_state_dict(saved[1])
    assert_same(train(other, again, 4), expected)
    assert_same(again.state_dict(), optimizer.state_dict())


def test_a_saved_state_has_readable_names_and_settings():
    model = network()
    state = optim.Adam(model.parameters(), lr=0.5).state_dict()
    assert list(state)[:7] == ["step", "lr", "beta1", "beta2", "eps", "weight_decay", "0.exp_avg"]
    other = optim.Adam(network().parameters())
    other.load_state_dict(state)
    assert other.lr.item() == 0.5


def test_a_state_that_does_not_fit_is_refused_whole():
    model = network()
    adam, sgd = optim.Adam(model.parameters()), optim.SGD(model.parameters(), momentum=0.5)
    with pytest.raises(ModelError, match=r"does not fit the SGD, nothing was loaded:\n  missing: 0\.momentum_buffer"):
        sgd.load_state_dict(adam.state_dict())
    state = adam.state_dict()
    state["0.exp_avg"] = state["0.exp_avg"].T
    state["lr"] = np.asarray(0.5)
    with pytest.raises(ModelError, match=r"0\.exp_avg: float32\[3, 5\] instead of float32\[5, 3\]"):
        adam.load_state_dict(state)
    assert adam.lr.item() == 0.001


def test_a_deep_copy_of_model_and_optimiser_trains_apart():
    model = network()
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    train(model, optimizer, 2)
    other, again = copy.deepcopy((model, optimizer))
    assert again.parameters == list(other.parameters())
    expected = train(model, optimizer, 2)
    assert_same(train(other, again, 2), expected)
