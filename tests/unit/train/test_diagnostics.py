"""Gradient health, kinds of points, sensitivities."""

import json

import numpy as np
import pytest

import retrograd as rg
from examples import xor
from examples.fixtures import det
from retrograd import nn
from retrograd.errors import RetrogradError, ShapeError, TrainingDiverged
from retrograd.train import (
    GradientHealth,
    Trainer,
    classify_point,
    dead_fraction,
    health,
    input_gradient,
    plateaus,
    sensitivity,
)
from retrograd.train.callbacks.gradient_health import Checkup
from retrograd.train.diagnostics import Health, LayerHealth


def deep_logistic(layers, size=3, weight=1.0):
    g = rg.random.Generator(0)
    parts = []
    for _ in range(layers):
        parts += [nn.Linear(size, size, dtype="float64", generator=g), nn.Sigmoid()]
    model = nn.Sequential(*parts)
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            layer.weight = layer.weight.numpy() * weight
    return model


X = det((8, 3), 1, 0)
Y = det((8, 3), 0.5, 1)

# 3.14 -----------------------------------------------------------------------------------------------------------------


@pytest.mark.system("3.14", home="L", figure="s'(10) = 4.53958e-05")
def test_a_saturated_unit():
    assert rg.grad(rg.sigmoid)(10.0).item() == pytest.approx(4.53958e-05, rel=1e-6)
    model = nn.Sequential(nn.Linear(1, 1, dtype="float64"), nn.Sigmoid())
    model[0].weight, model[0].bias = [[0.0]], [10.0]
    found = health(model, nn.mse_loss, np.ones((4, 1)), np.zeros((4, 1)))
    assert found.layers[1].derivative == pytest.approx(4.53958e-05, rel=1e-6)
    assert found.layers[1].saturated == 1
    assert any("saturated" in sentence for sentence in found.advice)


@pytest.mark.system("3.14", home="L", figure="10 logistic layers: at most 0.25^10 = 9.54e-07 times the weights' norms")
def test_the_gradient_vanishes_layer_by_layer():
    model = deep_logistic(10)
    found = health(model, nn.mse_loss, X, Y)
    linear = [layer for layer in found.layers if layer.weight is not None]
    norms = [
        float(np.linalg.norm(layer.weight.numpy(), 2)) for layer in model.modules() if isinstance(layer, nn.Linear)
    ]
    last = found.layers[-1].gradient
    assert linear[0].gradient <= 0.25**10 * np.prod(norms[1:]) * last
    assert [layer.gradient for layer in linear] == sorted(layer.gradient for layer in linear)
    assert found.advice and "vanishes" in found.advice[0] and "0 Linear" in found.advice[0]


def test_the_figures_are_the_engine_s():
    model = nn.Sequential(nn.Linear(3, 4, dtype="float64"), nn.Tanh(), nn.Linear(4, 3, dtype="float64"))
    found = health(model, nn.mse_loss, X, Y)
    loss, gradients = nn.value_and_grad(model, lambda: nn.mse_loss(model(X), Y))()
    assert found.loss == loss.item()
    of_first = np.sqrt(np.sum(gradients["0.weight"].numpy() ** 2) + np.sum(gradients["0.bias"].numpy() ** 2))
    assert found.layers[0].weight_gradient == pytest.approx(of_first, rel=1e-12)
    hidden = model[0](X).numpy()
    assert found.layers[0].activation == pytest.approx(np.sqrt(np.mean(hidden**2)), rel=1e-12)
    assert found.layers[1].derivative == pytest.approx(np.mean(1 - np.tanh(hidden) ** 2), rel=1e-12)
    at_hidden = rg.grad(lambda h: nn.mse_loss(model[2](rg.tanh(h)), Y))(hidden).numpy()
    assert found.layers[0].gradient == pytest.approx(np.sqrt(np.mean(at_hidden**2)) * 8, rel=1e-12)
    assert "0 Linear" in str(found) and "Nothing stands out." in str(found)
    assert type(found).from_json(found.to_json()) == found


def test_nothing_of_the_model_changes():
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 3))
    model.train()
    before = model.state_dict()
    health(model, nn.mse_loss, X.astype("float32"), Y.astype("float32"))
    assert model.training and all(np.array_equal(before[k], v) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.system("2.3", home="L", figure="dead_fraction: the share of units that are 0 on every example")
def test_dead_rectifiers():
    model = nn.Sequential(nn.Linear(3, 4, dtype="float64"), nn.ReLU(), nn.Linear(4, 3, dtype="float64"))
    model[0].weight, model[0].bias = np.zeros((4, 3)), [1.0, 1.0, -1.0, 1.0]
    assert dead_fraction(model, X) == 0.25
    found = health(model, nn.mse_loss, X, Y)
    assert found.layers[1].dead == 0.25
    assert "25% of the units of 1 ReLU are dead" in found.advice[0]
    assert dead_fraction(deep_logistic(2), X) == 0


@pytest.mark.system(
    "3.14", home="L", figure="a clipped error has no gradient: said, with the Huber loss to use instead"
)
def test_a_loss_that_clips_its_error():
    model = nn.Sequential(nn.Linear(3, 1, dtype="float64"))
    model[0].weight, model[0].bias = [[0.1, 0.2, 0.3]], [0.0]

    def clipped(output, target):
        return rg.mean(rg.clip(output - target, -1.0, 1.0) ** 2)

    far = np.full((8, 1), 50.0)
    far[:2] = 0.0
    found = health(model, clipped, X, far)
    assert found.silent == 0.75
    assert "75% of the examples" in found.advice[0] and "huber_loss" in found.advice[0]
    assert health(model, nn.huber_loss, X, far).silent == 0


def test_exploding_and_unconnected():
    wild = nn.Sequential(*[nn.Linear(3, 3, dtype="float64") for _ in range(5)])
    for layer in wild:
        layer.weight = 20.0 * np.eye(3)
    advice = health(wild, nn.mse_loss, X, Y).advice
    assert any("explodes" in sentence for sentence in advice) and any("clip it by norm" in s for s in advice)
    cut = health(wild, lambda o, t: nn.mse_loss(rg.stop_gradient(o), t), X, Y)
    assert any("No gradient reaches any layer" in sentence for sentence in cut.advice)


def test_calls_inside_a_compiled_model_are_not_watched():
    inner = nn.Linear(3, 3, dtype="float64")
    compiled = rg.jit(inner)

    class Outer(nn.Module):
        def __init__(self):
            self.inner, self.last = inner, nn.Linear(3, 3, dtype="float64")

        def forward(self, x):
            return self.last(compiled(x))

    model = Outer()
    plain = model(X).numpy()
    assert [layer.name for layer in health(model, nn.mse_loss, X, Y).layers] == ["last Linear"]
    assert np.array_equal(model(X).numpy(), plain)


# While training -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["eager", "auto"])
def test_checkups_during_a_run(engine):
    model = nn.Sequential(nn.Linear(3, 4, generator=rg.random.Generator(0)), nn.Tanh(), nn.Linear(4, 3))
    watch = GradientHealth(every=2)
    trainer = Trainer(model, nn.mse_loss, rg.optim.SGD(model, lr=0.1), callbacks=[watch], engine=engine)
    trainer.fit(X.astype("float32"), Y.astype("float32"), epochs=5, batch_size=4, progress=False)
    assert [c.epoch for c in watch.checkups] == [2, 4]
    assert set(watch.checkups[0].updates) == {"0.weight", "0.bias", "2.weight", "2.bias"}
    assert all(0 < ratio < 0.2 for ratio in watch.checkups[0].updates.values())
    with pytest.raises(RetrogradError, match="1 or more"):
        GradientHealth(every=0)


def test_looks_ever_further_apart():
    """The next one after a fifth as many epochs as there were."""
    model = nn.Sequential(nn.Linear(3, 3))
    watch = GradientHealth(every=None, rows=1)
    trainer = Trainer(model, nn.mse_loss, rg.optim.SGD(model, lr=0.01), callbacks=[watch], engine="eager")
    trainer.fit(X[:2].astype("float32"), Y[:2].astype("float32"), epochs=30, batch_size=2, progress=False)
    assert [look.epoch for look in watch.checkups] == [*range(1, 11), 12, 14, 16, 19, 22, 26]


def test_a_checkup_as_json():
    layer = LayerHealth("0 Linear", 2, np.inf, np.nan, 1.5, None, None, 0.25, None)
    look = Checkup(3, Health(np.inf, (layer,), 0.0, 7, ("Try it.",)), {"0.weight": 1e-3, "0.bias": np.nan})
    written = json.dumps(look.to_json(), allow_nan=False)
    again = Checkup.from_json(json.loads(written))
    assert json.dumps(again.to_json()) == written and repr(again) == repr(look)


def test_steps_that_are_too_large_are_said():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3))
    watch = GradientHealth()
    trainer = Trainer(model, nn.mse_loss, rg.optim.Adam(model, lr=1.0), callbacks=[watch])
    trainer.fit(X.astype("float32"), Y.astype("float32"), epochs=1, batch_size=8, progress=False)
    assert any("lower the learning rate" in sentence for sentence in watch.checkups[0].advice)


def test_checkups_survive_a_restart(tmp_path):
    def make():
        model = nn.Sequential(nn.Linear(3, 3, generator=rg.random.Generator(0)))
        watch = GradientHealth()
        made = Trainer(
            model, nn.mse_loss, rg.optim.SGD(model, lr=0.1), callbacks=[watch], generator=rg.random.Generator(1)
        )
        return made, watch

    x, y = X.astype("float32"), Y.astype("float32")
    whole, wanted = make()
    whole.fit(x, y, epochs=4, batch_size=4, progress=False)
    first, _ = make()
    first.fit(x, y, epochs=2, batch_size=4, directory=tmp_path, progress=False)
    again, found = make()
    again.resume(tmp_path)
    again.fit(x, y, epochs=4, batch_size=4, directory=tmp_path, progress=False)
    assert found.checkups == wanted.checkups


# 3.13 -----------------------------------------------------------------------------------------------------------------


def saddle(x):
    return x[0] ** 2 - x[1] ** 2


def descend(x, steps=100):
    for _ in range(steps):
        x = x - 0.1 * rg.grad(saddle)(x).numpy()
    return x


@pytest.mark.system(
    "3.13", home="L", figure="descent from (1, 0) ends at the saddle (2.04e-10, 0); from (1, 1e-8) y = 0.82818"
)
def test_descent_at_a_saddle():
    end = descend(np.array([1.0, 0.0]))
    assert end == pytest.approx([2.04e-10, 0], rel=2e-3)
    assert descend(np.array([1.0, 1e-8]))[1] == pytest.approx(0.82818, rel=1e-5)
    found = classify_point(saddle, end)
    assert (found.kind, found.index) == ("saddle", 1)


@pytest.mark.system(
    "3.13", home="L", figure="minimum, maximum, saddle, degenerate, slope; NET-A: 4 negative curvatures"
)
def test_kinds_of_points():
    zero = np.zeros(2)
    assert classify_point(lambda x: rg.sum(x**2), zero).kind == "minimum"
    assert classify_point(lambda x: -rg.sum(x**2), zero).kind == "maximum"
    assert classify_point(lambda x: x[0] ** 2 + x[1] ** 4, zero).kind == "degenerate"
    assert classify_point(saddle, np.array([1.0, 0.0])).kind == "slope"
    ravine = classify_point(lambda x: x[0] ** 2 + 100.0 * x[1] ** 2, zero)
    assert (ravine.kind, ravine.condition) == ("minimum", pytest.approx(100))
    net = {"W1": det((4, 3), 0.5, 0), "b1": det((4,), 0.1, 2), "W2": det((2, 4), 0.5, 1), "b2": det((2,), 0.1, 3)}

    def error(p):
        hidden = rg.sigmoid(nn.linear(np.array([0.5, -0.25, 1.0]), p["W1"], p["b1"]))
        out = rg.sigmoid(nn.linear(hidden, p["W2"], p["b2"]))
        return 0.5 * rg.sum((out - np.array([1.0, 0.0])) ** 2)

    found = classify_point(error, net, tolerance=1e-12)
    assert (found.kind, found.index, len(found.curvatures)) == ("slope", 4, 26)
    with pytest.raises(RetrogradError, match="no numbers"):
        classify_point(error, {})


@pytest.mark.system("3.13", home="L", figure="XOR with two hidden units from start 9 is stuck")
def test_a_run_that_is_stuck():
    weights = xor.start(2, 9)
    norms, losses = [], []
    for _ in range(6):
        _, weights = xor.train(weights, updates=2000)
        gradients = rg.grad(xor.squared_error)(weights)
        norms.append(float(np.sqrt(sum(float(rg.sum(g**2)) for g in gradients))))
        losses.append(xor.squared_error(weights).item())
    assert plateaus(norms, losses, target=0.01, small=0.01, steps=3)[-1][1] == 6
    assert plateaus([1.0, 1e-4, 1e-4, 1.0], [1.0] * 4, target=0.1, steps=2) == [(1, 3)]
    with pytest.raises(RetrogradError, match="2 gradient norms for 1 losses"):
        plateaus([1, 2], [1], target=0)


# 1.14 -----------------------------------------------------------------------------------------------------------------


@pytest.mark.system("1.14", home="L", figure="mean absolute sensitivity of every input over a data set")
def test_sensitivities():
    model = nn.Sequential(nn.Linear(3, 2, dtype="float64"))
    found = sensitivity(model, X, ["a", "b", "c"])
    np.testing.assert_allclose(found.by_output, np.abs(model[0].weight.numpy()), rtol=1e-14)
    assert str(found).splitlines()[0].startswith("abc"[int(np.argmax(found.of_inputs))])
    t = Y[:, :2]
    by_hand = rg.grad(lambda x: nn.mse_loss(model(x), t))(X).numpy()
    assert np.array_equal(input_gradient(model, nn.mse_loss, X, t), by_hand)
    with pytest.raises(ShapeError, match="2 names for 3 inputs"):
        sensitivity(model, X, ["a", "b"])
    with pytest.raises(ShapeError, match="rows"):
        sensitivity(nn.Sequential(nn.Flatten()), np.ones((2, 3, 4), "float32"))


def test_divergence_is_seen_in_the_figures():
    model = nn.Sequential(nn.Linear(3, 3, dtype="float64"))
    model[0].bias = [np.inf, 0.0, 0.0]
    assert "not finite" in health(model, nn.mse_loss, X, Y).advice[0]
    trainer = Trainer(model, nn.mse_loss, rg.optim.SGD(model, lr=0.1))
    with pytest.raises(TrainingDiverged):
        trainer.fit(X, Y, epochs=1, progress=False)
