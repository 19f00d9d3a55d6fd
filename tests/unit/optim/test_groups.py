"""Groups of parameters, numbers of one a model, and what is decided when an optimiser is made."""

import copy

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn, optim
from retrograd.errors import ModelError, RetrogradError, TracingError

X = np.random.default_rng(0).normal(size=(16, 3))
Y = np.random.default_rng(1).integers(0, 2, 16)
MAKERS = {
    "sgd": lambda p, lr: optim.SGD(p, lr=lr, weight_decay=0.05),
    "momentum": lambda p, lr: optim.SGD(p, lr=lr, momentum=0.9, dampening=0.2, weight_decay=0.05),
    "decoupled": lambda p, lr: optim.SGD(p, lr=lr, momentum=0.9, weight_decay=0.05, decoupled_weight_decay=True),
    "adagrad": lambda p, lr: optim.Adagrad(p, lr=lr, lr_decay=0.1),
    "rmsprop": lambda p, lr: optim.RMSprop(p, lr=lr, momentum=0.5, centered=True),
    "adam": lambda p, lr: optim.Adam(p, lr=lr, weight_decay=0.05, amsgrad=True),
    "adamw": lambda p, lr: optim.AdamW(p, lr=lr, weight_decay=0.05),
}
every = pytest.mark.parametrize("maker", MAKERS)
ways = pytest.mark.parametrize("way", [lambda f: f, rg.jit], ids=["eager", "jit"])


def network(seed=3):
    made = rg.random.Generator(seed)
    return nn.Sequential(
        nn.Linear(3, 5, generator=made, dtype="float64"), nn.Tanh(), nn.Linear(5, 2, generator=made, dtype="float64")
    )


def train(model, optimizer, steps=4, way=lambda f: f):
    @way
    def step():
        optimizer.zero_grad()
        nn.cross_entropy(model(X), Y).backward()
        optimizer.step()

    for _ in range(steps):
        step()
    return model.state_dict()


def assert_same(a, b, tolerance=0.0):
    assert list(a) == list(b)
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=tolerance, atol=tolerance, err_msg=name)


# Groups ---------------------------------------------------------------------------------------------------------------


@pytest.mark.system("3.11", home="L", figure="equal rates for each matrix reproduce one rate, bit for bit")
@ways
@every
def test_groups_of_equal_settings_are_one(maker, way):
    model, grouped = network(), network()
    rates = [{"params": [p], "lr": 0.1} for p in grouped.parameters()]
    expected = train(model, MAKERS[maker](model, 0.1), way=way)
    assert_same(train(grouped, MAKERS[maker](rates, 0.3), way=way), expected)


@pytest.mark.system("3.11", home="L", figure="a rate for each matrix")
@ways
def test_each_group_has_settings_of_its_own(way):
    model, first, second = network(), network(), network()
    groups = [{"params": model[0].parameters(), "lr": 0.2}, {"params": model[2].parameters()}]
    optimizer = optim.SGD(groups, lr=0.1, momentum=0.5)
    reference = [optim.SGD(first[0], lr=0.2, momentum=0.5), optim.SGD(first[2], lr=0.1, momentum=0.5)]
    for _ in range(3):
        train(model, optimizer, 1, way)
        first.zero_grad()
        nn.cross_entropy(first(X), Y).backward()
        for part in reference:
            part.step()
    assert_same(model.state_dict(), first.state_dict(), 1e-15)
    assert not np.allclose(
        train(second, optim.SGD(second, lr=0.1, momentum=0.5), 3)["0.weight"], model[0].weight.numpy()
    )


def test_a_group_is_a_dict_of_settings():
    model = network()
    optimizer = optim.Adam([{"params": model[0].weight, "betas": (0.5, 0.6)}, {"params": [model[0].bias]}], lr=0.1)
    first, second = optimizer.param_groups
    assert [p.name for p in first["params"]] == ["0.weight"]
    assert list(first) == ["params", "lr", "beta1", "beta2", "eps", "weight_decay"]
    assert (float(first["beta1"]), float(first["beta2"]), float(second["beta1"])) == (0.5, 0.6, 0.9)
    optimizer.lr = 0.2
    assert float(first["lr"]) == float(second["lr"]) == 0.2
    second["lr"] = 0.3
    optimizer.lr = 0.4
    assert (float(first["lr"]), float(second["lr"])) == (0.4, 0.3)
    second["lr"] = lambda step: 0.5 * 0.5**step
    assert float(second["lr"]) == 0.5
    assert optimizer.scheduled
    assert repr(second) == "Group(1 parameters, lr=a schedule)"
    assert "2 groups, 2 parameters" in repr(optimizer)
    with pytest.raises(KeyError):
        first["rate"]


def test_settings_of_groups_are_inputs_of_programs():
    model = network()
    optimizer = optim.SGD([{"params": model[0], "lr": 0.1}, {"params": model[2]}], lr=0.1)
    step = rg.jit(lambda: optimizer.step([np.ones(p.shape) for p in optimizer.parameters]))
    step()
    before = model.state_dict()
    optimizer.param_groups[0]["lr"] = 0.0
    optimizer.param_groups[1]["lr"] = 0.25  # its first of its own: another program
    step()
    after = model.state_dict()
    np.testing.assert_array_equal(after["0.weight"], before["0.weight"])
    np.testing.assert_allclose(after["2.weight"], before["2.weight"] - 0.25, rtol=1e-12)
    other = optim.SGD([{"params": network()}], lr=0.1)

    @rg.jit
    def sets():
        other.param_groups[0]["lr"] = 0.5

    with pytest.raises(TracingError, match=r"SGD: the first groups\.0\.lr of this kind changes the program"):
        sets()


def test_groups_are_saved():
    def made():
        model = network()
        return model, optim.Adam([{"params": model[0], "lr": 0.1}, {"params": model[2]}], lr=0.01)

    (model, optimizer), (twin, again) = made(), made()
    train(model, optimizer)
    optimizer.param_groups[0]["lr"] = 0.5
    state = optimizer.state_dict()
    assert list(state)[:7] == ["step", "lr", "beta1", "beta2", "eps", "weight_decay", "groups.0.lr"]
    twin.load_state_dict(model.state_dict())
    again.load_state_dict(state)
    assert_same(train(twin, again), train(model, optimizer))
    assert_same(again.state_dict(), optimizer.state_dict())
    with pytest.raises(ModelError, match=r"unexpected: groups\.0\.lr"):
        optim.Adam(network()).load_state_dict(state)


def test_groups_that_make_no_sense_are_refused():
    model = network()
    for groups, message in (
        ([{"lr": 0.1}], 'group 0 is no dict with "params"'),
        ([{"params": model[0]}, model[2]], 'group 1 is no dict with "params"'),
        ([{"params": model}, {"params": model[2].bias}], r"2\.bias is in group 0 and in group 1"),
        ([{"params": []}], "there are no parameters"),
        ([{"params": model, "rate": 0.1}], "SGD has no setting 'rate'; it has lr, momentum"),
        ([{"params": model, "lr": -1.0}], "lr is at least 0"),
        ([{"params": model, "momentum": 0.5}], "made without momentum"),
    ):
        with pytest.raises(RetrogradError, match=message):
            optim.SGD(groups)
    group = optim.SGD(model).param_groups[0]
    with pytest.raises(RetrogradError, match="decided when the optimiser is made"):
        group["params"] = []
    with pytest.raises(RetrogradError, match="keeps its settings"):
        del group["lr"]


def test_a_deep_copy_has_groups_of_its_own():
    model = network()
    optimizer = optim.SGD([{"params": model, "lr": 0.1}])
    _, twin = copy.deepcopy((model, optimizer))
    twin.param_groups[0]["lr"] = 0.5
    assert float(optimizer.param_groups[0]["lr"]) == 0.1


# Weight decay ---------------------------------------------------------------------------------------------------------


def test_a_decay_that_spares_biases():
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    groups = optim.no_bias_decay(model)
    assert [[p.name for p in g["params"]] for g in groups] == [
        ["0.weight", "2.weight"],
        ["0.bias", "1.weight", "1.bias", "2.bias"],
    ]
    optimizer = optim.SGD(groups, lr=0.5, weight_decay=0.5)
    before = model.state_dict()
    optimizer.step([np.zeros(p.shape, np.float32) for p in optimizer.parameters])
    for name, value in model.state_dict().items():
        factor = 0.75 if name in ("0.weight", "2.weight") else 1.0
        np.testing.assert_array_equal(value, before[name] * np.float32(factor))
    stacked = optim.no_bias_decay(nn.stack([model] * 2))
    assert [[p.name for p in g["params"]] for g in stacked] == [[p.name for p in g["params"]] for g in groups]
    assert len(optim.no_bias_decay(nn.Linear(1, 1, bias=False))) == 1


def test_decoupled_decay_is_the_penalty_without_momentum_only():
    def trained(**options):
        model = network()
        return train(model, optim.SGD(model, lr=0.1, weight_decay=0.05, **options), 10)

    assert_same(trained(), trained(decoupled_weight_decay=True), 1e-15)
    apart = trained(momentum=0.9), trained(momentum=0.9, decoupled_weight_decay=True)
    assert abs(apart[0]["0.weight"] - apart[1]["0.weight"]).max() > 1e-3


def test_what_is_decided_when_an_optimiser_is_made():
    sgd, adam = optim.SGD(network(), momentum=0.5), optim.Adam(network())
    for optimizer, name, value in (
        (sgd, "nesterov", True),
        (sgd, "decoupled_weight_decay", True),
        (sgd, "remembers", False),
        (sgd, "slots", ()),
        (adam, "amsgrad", True),
    ):
        with pytest.raises(RetrogradError, match=f"{name} is decided when the optimiser is made .* make another one"):
            setattr(optimizer, name, value)
    with pytest.raises(RetrogradError, match="no dampening"):
        optim.SGD(network(), momentum=0.5, nesterov=True).dampening = 0.1


# One number for each model of a stack ---------------------------------------------------------------------------------


@ways
@every
def test_rates_of_each_model(maker, way):
    rates = [0.01, 0.1, 0.3]
    models = [network(seed) for seed in range(3)]
    many = nn.stack(models)
    optimizer = MAKERS[maker](many, rates)

    @way
    def step():
        optimizer.zero_grad()
        rg.sum(rg.vmap(lambda out: nn.cross_entropy(out, Y))(many(X))).backward()
        optimizer.step()

    for _ in range(4):
        step()
    assert optimizer.lr.tolist() == rates
    for model, rate, got in zip(models, rates, many, strict=True):
        expected = train(model, MAKERS[maker](model, rate))
        assert_same(got.state_dict(), expected, 1e-13)


@every
def test_rates_of_each_model_on_the_same_gradients_are_exact(maker):
    """And the pure pair is the stateful one, bit for bit."""
    rates = np.array([0.01, 0.1, 0.3])
    models = [network(seed) for seed in range(3)]
    many = nn.stack(models)
    stateful, pure = MAKERS[maker](many, rates), MAKERS[maker](None, rates)
    params = many.parameters_tree()
    state = pure.init(params)
    alone = [MAKERS[maker](model, rate) for model, rate in zip(models, rates, strict=True)]
    rng = np.random.default_rng(0)
    for _ in range(3):
        grads = {path: rng.normal(size=value.shape) for path, value in params.items()}
        stateful.step(grads)
        params, state = pure.update(grads, state, params)
        for i, optimizer in enumerate(alone):
            optimizer.step({path: g[i] for path, g in grads.items()})
    for path, value in params.items():
        np.testing.assert_array_equal(value.numpy(), many.state_dict()[path])
        np.testing.assert_array_equal(value.numpy(), [m.state_dict()[path] for m in models])


def test_rates_that_change_are_inputs_and_are_saved():
    many = nn.stack([network(seed) for seed in range(2)])
    optimizer = optim.SGD(many, lr=[0.1, 0.2], weight_decay=[0.0, 0.5])
    step = rg.jit(lambda: optimizer.step([np.zeros(p.shape) for p in optimizer.parameters]))
    before = many.state_dict()["0.weight"]
    step()
    np.testing.assert_allclose(many.state_dict()["0.weight"], before * [[[1.0]], [[0.9]]], rtol=1e-12)
    optimizer.lr = [0.1, 0.4]
    step()
    np.testing.assert_allclose(many.state_dict()["0.weight"], before * [[[1.0]], [[0.9 * 0.8]]], rtol=1e-12)
    assert "1 program" in str(step.report())
    other = optim.SGD(many, lr=[0.3, 0.3], weight_decay=[0.1, 0.1])
    other.load_state_dict(optimizer.state_dict())
    assert other.lr.tolist() == [0.1, 0.4]
    assert repr(other).startswith("SGD(lr=2 numbers from 0.1 to 0.4")
    optimizer.lr = 0.5  # one for all: another program
    step()
    np.testing.assert_allclose(many.state_dict()["0.weight"][1], before[1] * 0.9 * 0.8 * 0.75, rtol=1e-12)


def test_a_schedule_of_each_model():
    many = nn.stack([network(seed) for seed in range(2)])
    optimizer = optim.SGD(many, lr=lambda step: np.array([0.1, 0.2]) * 0.5**step)
    before = many.state_dict()["2.bias"]
    for way in (lambda f: f, rg.jit):
        way(lambda: optimizer.step([np.ones(p.shape) for p in optimizer.parameters]))()
    np.testing.assert_allclose(many.state_dict()["2.bias"], before - [[0.15], [0.3]], rtol=1e-12)


def test_numbers_that_are_not_one_a_model_are_refused():
    many = nn.stack([network(seed) for seed in range(3)])
    for make, message in (
        (lambda: optim.SGD(many, lr=[0.1, 0.2]), "lr has 2 numbers for a stack of 3 models"),
        (lambda: optim.SGD(many, lr=np.ones((3, 1))), r"one for each model, not an array of shape \(3, 1\)"),
        (lambda: optim.SGD(network(), lr=[0.1] * 3), r"3 numbers are for the models of a rg\.nn\.stack"),
        (lambda: optim.SGD(many, lr=[0.1, -0.2, 0.1]), "lr is at least 0, not -0.2"),
        (lambda: optim.Adam(many, betas=([0.9, 0.9, 1.0], 0.9)), "beta1 is at least 0 and below 1, not 1.0"),
    ):
        with pytest.raises(RetrogradError, match=message):
            make()
    pure = optim.SGD(lr=[0.1, 0.2])
    params = {"w": rg.ones((3, 2))}
    with pytest.raises(
        RetrogradError, match=r"SGD: 2 numbers are for as many models, but a parameter has shape \(3, 2\)"
    ):
        pure.update(params, pure.init(params), params)
