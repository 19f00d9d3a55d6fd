"""Chapter 3 of the learning systems: training methods."""

import numpy as np
import pytest

import retrograd as rg
from examples import delta_rule, early_stopping, momentum_batch, network_py, xor
from retrograd import nn

STARTS = range(5)


def bowl(w):
    """x^2 + 10 y^2."""
    return w[0] ** 2 + 10.0 * w[1] ** 2


def descend(optimizer, w, steps):
    """`steps` updates of a pure optimiser on the bowl; the points, start included."""
    state, points = optimizer.init(w), [w]
    for _ in range(steps):
        w, state = optimizer.update(rg.grad(bowl)(w), state, w)
        points.append(w)
    return points


# 3.1 ------------------------------------------------------------------------------------------------------------------


@pytest.mark.system("3.1", home="L", figure="f = 2.83e-17 after 1000 steps of 0.099, 27547 after 200 of 0.101")
@pytest.mark.parametrize("rate, steps, value", [(0.099, 1000, 2.83e-17), (0.101, 200, 27547)])
def test_descent_is_stable_up_to_two_over_the_curvature(rate, steps, value):
    last = descend(rg.optim.SGD(lr=rate), rg.tensor([1.0, 1.0], dtype="float64"), steps)[-1]
    assert bowl(last).item() == pytest.approx(value, rel=2e-3 if value < 1 else 2e-5)


@pytest.mark.system("3.1", home="E", figure="XOR solved at 1507, 1257, 1381, 1601, 1034; from one start never")
def test_updates_until_the_exclusive_or_is_solved():
    assert [xor.train(xor.start(4, seed))[0] for seed in STARTS] == [1507, 1257, 1381, 1601, 1034]
    assert xor.train(xor.start(2, 9))[0] == xor.CAP


# 3.2 ------------------------------------------------------------------------------------------------------------------


@pytest.mark.system("3.2", home="E", figure="accuracy 0.094, 0.514, 0.9, 0.902 before and after 1, 10, 30 epochs")
def test_mini_batches_learn_the_digits():
    x, labels = network_py.noisy_digits(1000, 0)
    tests = network_py.noisy_digits(500, 1)
    net = network_py.Network([15, 12, 10], np.random.RandomState(2))
    found = [net.evaluate(*tests)]
    for epochs in (1, 9, 20):
        net.SGD(x, labels, epochs, 10, 3.0)
        found.append(net.evaluate(*tests))
    best = (network_py.nearest_prototype(tests[0]) == tests[1]).mean()
    assert best == 0.904
    assert found == pytest.approx([0.094, 0.514, 0.9, 0.902], abs=0.0021)  # one row of 500
    assert found[-1] > best - 0.03


@pytest.mark.system("3.2", home="E", figure="one update_mini_batch is the vectorised step to 1e-12")
def test_one_mini_batch_is_the_mean_of_the_steps_of_its_examples():
    x, labels = network_py.noisy_digits(10, 0)
    targets = np.eye(10)[labels]
    net = network_py.Network([15, 12, 10], np.random.RandomState(2))
    W = [w.copy() for w in net.weights]
    b = [v.copy() for v in net.biases]
    changes = [[np.zeros_like(w) for w in W], [np.zeros_like(v) for v in b]]
    for row, target in zip(x, targets, strict=True):  # by hand, an example at a time
        hidden = 1 / (1 + np.exp(-(W[0] @ row + b[0])))
        out = 1 / (1 + np.exp(-(W[1] @ hidden + b[1])))
        delta = (out - target) * out * (1 - out)
        below = (W[1].T @ delta) * hidden * (1 - hidden)
        for layer, (d, a) in enumerate(((below, row), (delta, hidden))):
            changes[0][layer] += np.outer(d, a)
            changes[1][layer] += d
    net.update_mini_batch(x, targets, 3.0)
    for layer in range(2):
        np.testing.assert_allclose(net.weights[layer].numpy(), W[layer] - 0.3 * changes[0][layer], rtol=1e-12)
        np.testing.assert_allclose(net.biases[layer].numpy(), b[layer] - 0.3 * changes[1][layer], rtol=1e-12)


# 3.3 ------------------------------------------------------------------------------------------------------------------


@pytest.mark.system("3.3", home="L", figure="(0.92, 0.2), (0.8064, -0.36), (0.685088, -0.352); f = 3.441e-11 after 50")
def test_momentum_on_the_bowl():
    start = rg.tensor([1.0, 1.0], dtype="float64")
    points = descend(rg.optim.SGD(lr=0.04, momentum=0.5), start, 50)
    np.testing.assert_allclose(
        [p.numpy() for p in points[1:4]], [[0.92, 0.2], [0.8064, -0.36], [0.685088, -0.352]], rtol=1e-12
    )
    assert bowl(points[-1]).item() == pytest.approx(3.441e-11, rel=2e-4)
    assert bowl(descend(rg.optim.SGD(lr=0.04), start, 50)[-1]).item() == pytest.approx(0.0002392, rel=2e-4)


@pytest.mark.system(
    "3.3", home="E", figure="XOR at 225, 129, 154, 221, 97 with momentum 0.9; 974 ... 597 with 0.1 added"
)
@pytest.mark.parametrize(
    "learning, counts",
    [
        (momentum_batch.Learning(), [1507, 1257, 1381, 1601, 1034]),
        (momentum_batch.Learning(momentum=0.9), [225, 129, 154, 221, 97]),
        (momentum_batch.Learning(constant=0.1), [974, 745, 856, 973, 597]),
    ],
)
def test_momentum_and_flat_spots_in_the_exclusive_or(learning, counts):
    assert [momentum_batch.train(xor.start(4, seed), learning)[0] for seed in STARTS] == counts


@pytest.mark.system("3.3", home="E", figure="(rate, 0, 0, 0) is gradient descent")
def test_without_the_three_extras_it_is_gradient_descent():
    weights = xor.start(4, 0)
    along = momentum_batch.direction(weights, momentum_batch.Learning())
    gradient = rg.grad(xor.squared_error)(weights)
    for a, g in zip(along, gradient, strict=True):
        np.testing.assert_allclose(a.numpy(), g.numpy(), rtol=1e-14)


def test_errors_in_the_dead_zone_move_nothing():
    along = momentum_batch.direction(xor.start(4, 0), momentum_batch.Learning(threshold=2.0))
    assert all(not np.any(a.numpy()) for a in along)


def test_a_run_is_resumed_with_its_last_changes():
    learning = momentum_batch.Learning(momentum=0.9)
    whole = momentum_batch.train(xor.start(4, 0), learning)
    count, weights, changes = momentum_batch.train(xor.start(4, 0), learning, cap=100)
    rest = momentum_batch.train(weights, learning, changes)
    assert (count, rest[0]) == (100, whole[0] - 100)
    assert all(np.array_equal(a.numpy(), b.numpy()) for a, b in zip(rest[1], whole[1], strict=True))


# 3.4 ------------------------------------------------------------------------------------------------------------------


@pytest.mark.system("3.4", home="E", figure="AND: (0.50253807, 0.50507614), -0.5 after 2000 epochs")
def test_the_delta_rule_settles_near_least_squares():
    w, b = delta_rule.train(np.zeros(2), np.float64(0.0), rg.tensor(2000), 0.01)
    assert [*w.numpy(), b.item()] == pytest.approx([0.50253807, 0.50507614, -0.5], abs=5e-9)
    answers = delta_rule.X @ w.numpy() + b.item()
    assert np.array_equal(np.sign(answers), delta_rule.T)


@pytest.mark.system("3.4", home="E", figure="backpropagation through one unit is the delta rule")
def test_backpropagation_through_one_unit_is_the_delta_rule():
    w, b, x, t = np.array([0.3, -0.2]), np.float64(0.1), np.array([0.5, -1.5]), np.float64(0.7)
    by_rule, by_gradient = delta_rule.delta_rule(w, b, x, t, 0.1), delta_rule.backpropagation(w, b, x, t, 0.1)
    for r, g in zip(by_rule, by_gradient, strict=True):
        np.testing.assert_allclose(np.asarray(r), np.asarray(g), rtol=1e-15)
    y = 1 / (1 + np.exp(-(w @ x + b)))
    steeper = delta_rule.backpropagation(w, b, x, t, 0.1, rg.sigmoid)
    np.testing.assert_allclose(steeper[0].numpy(), w + 0.1 * (t - y) * y * (1 - y) * x, rtol=1e-14)


# 3.5 ------------------------------------------------------------------------------------------------------------------


@pytest.mark.system("3.5", home="L", figure="1.90222026093 after 10 steps without a data gradient")
def test_weight_decay_alone():
    w = nn.Parameter(rg.tensor([2.0], dtype="float64"))
    optimizer = rg.optim.SGD([w], lr=0.1, weight_decay=0.05)
    for _ in range(10):
        optimizer.step([rg.zeros(1, dtype="float64")])
    assert w.numpy()[0] == pytest.approx(1.90222026093, rel=1e-11)


@pytest.mark.system("3.5", home="L", figure="as a penalty: gradient + lambda w")
def test_a_penalty_is_weight_decay_under_plain_descent_only():
    """Equal for plain gradient descent, another path with momentum that is not applied to the decay."""
    w, decay, rate = rg.tensor([1.0, -2.0], dtype="float64"), 0.05, 0.1

    def penalised(w):
        return bowl(w) + 0.5 * decay * rg.sum(w**2)

    by_decay = rg.optim.SGD(lr=rate, weight_decay=decay)
    found = by_decay.update(rg.grad(bowl)(w), by_decay.init(w), w)[0]
    np.testing.assert_allclose(found.numpy(), (w - rate * rg.grad(penalised)(w)).numpy(), rtol=1e-14)
    shrunk = (1 - rate * decay) * w - rate * rg.grad(bowl)(w)
    np.testing.assert_allclose(found.numpy(), shrunk.numpy(), rtol=1e-14)


# 3.6 ------------------------------------------------------------------------------------------------------------------


@pytest.mark.system("3.6", home="L", figure="patience 200 stops at step 447 and returns step 247, 0.0878061")
def test_early_stopping_returns_the_best_weights():
    history, model = early_stopping.train(patience=200)
    assert (len(history["loss"]), history.best_epoch) == (447, 247)
    assert min(history["val_loss"]) == pytest.approx(0.0878061, rel=1e-6)
    x, t, x_validation, t_validation = early_stopping.points()
    assert early_stopping.half_mse(model(x_validation), t_validation).item() == pytest.approx(0.0878061, rel=1e-6)


@pytest.mark.deep
@pytest.mark.system("3.6", home="L", figure="training falls from 0.515513 to 0.00914732, validation ends at 0.122422")
def test_the_two_curves():
    history, model = early_stopping.train()
    x, t, _, _ = early_stopping.points()
    losses = [*history["loss"], early_stopping.half_mse(model(x), t).item()]
    assert (losses[0], losses[-1]) == pytest.approx((0.515513, 0.00914732), rel=2e-6)
    assert np.all(np.diff(losses) < 0)
    assert (int(np.argmin(history["val_loss"])) + 1, history["val_loss"][-1]) == (
        247,
        pytest.approx(0.122422, rel=5e-6),
    )


@pytest.mark.deep
@pytest.mark.system("3.5", home="L", figure="0.0580012 on validation rows, sum of squares 7.437 instead of 376")
def test_weight_decay_keeps_the_curve_smooth():
    history, model = early_stopping.train(decay=0.03)
    squares = sum(float((w.numpy() ** 2).sum()) for w in (model[0].weight, model[2].weight))
    assert history["val_half_mse"][-1] == pytest.approx(0.0580012, rel=2e-6)
    x, t, _, _ = early_stopping.points()
    assert early_stopping.half_mse(model(x), t).item() == pytest.approx(0.116676, rel=5e-6)
    assert squares == pytest.approx(7.437, rel=1e-4)
