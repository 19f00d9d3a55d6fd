"""Chapter 10 of the learning systems: classic networks, but for the 2-2-2 example and its kin (`test_chapter10_mazur`)."""

import numpy as np
import pytest

import retrograd as rg
from examples import (
    eleven_lines,
    error_surface,
    gaussian_unit,
    linear_then_two_layers,
    synthetic_classifier,
    two_three_one,
    xor,
)
from examples.fixtures import det

# 10.4 -----------------------------------------------------------------------------------------------------------------


def marks():
    return two_three_one.NeuralNetwork(det((2, 3), 1, 0), det((3, 1), 1, 6))


@pytest.mark.system("10.4", home="E", figure="outputs, loss 0.0271914831347, all delta sums")
def test_the_delta_sums_of_the_network_class():
    net = marks()
    x, y = two_three_one.X, two_three_one.Y
    outputs = net.forward(x).numpy().ravel()
    assert outputs == pytest.approx([0.709257514541, 0.718815962607, 0.758740250603], rel=1e-11)
    assert net.loss(x, y) == pytest.approx(0.0271914831347, rel=1e-11)
    (dW1, dW2), (_, delta_o) = net.backward(x, y)
    assert delta_o.numpy().ravel() == pytest.approx([0.04345748033, 0.02853605757, 0.02402755427], rel=1e-9)
    wanted = [[0.0101043862, 0.01510539052, 0.006410897646], [0.01221859037, 0.01818179021, 0.007717299182]]
    np.testing.assert_allclose(dW1.numpy(), wanted, rtol=1e-9)
    assert dW2.numpy().ravel() == pytest.approx([0.046898024, 0.04419873891, 0.04496044677], rel=1e-9)


@pytest.mark.system("10.4", home="E", figure="loss 0.0227256024854 after 1 step, 0.000467022993106 after 1000")
def test_the_network_class_learns(tmp_path):
    net = marks()
    net.train(two_three_one.X, two_three_one.Y)
    assert net.loss(two_three_one.X, two_three_one.Y) == pytest.approx(0.0227256024854, rel=1e-11)
    net.train(two_three_one.X, two_three_one.Y, 999)
    assert net.loss(two_three_one.X, two_three_one.Y) == pytest.approx(0.000467022993106, rel=1e-9)
    outputs = net.predict(two_three_one.X).numpy()
    assert outputs.ravel() == pytest.approx([0.8910862132, 0.8702486598, 0.9114482373], rel=1e-9)
    net.save(tmp_path / "net.safetensors")
    again = two_three_one.NeuralNetwork.load(tmp_path / "net.safetensors")
    assert np.array_equal(again.predict(two_three_one.X).numpy(), outputs)


# 10.6 -----------------------------------------------------------------------------------------------------------------


@pytest.mark.system("10.6", home="E", figure="two layers: outputs 0.0096644917, 0.0078650597, 0.99358898, 0.99211957")
def test_two_layers_in_eleven_lines():
    (before,) = eleven_lines.train(eleven_lines.start((3, 1)), eleven_lines.FIRST_COLUMN, rg.tensor(9_999))
    shown = (
        eleven_lines.outputs((before,)).numpy().ravel()
    )  # those of the last forward pass, as the article prints them
    assert shown == pytest.approx([0.0096644917, 0.0078650597, 0.99358898, 0.99211957], rel=5e-8)
    (last,) = eleven_lines.train((before,), eleven_lines.FIRST_COLUMN, rg.tensor(1))
    assert last.numpy().ravel() == pytest.approx([9.672993028, -0.2078434993, -4.629636688], rel=1e-9)


@pytest.mark.system(
    "10.6", home="E", figure="three layers: the mean error at 0, 10000, ..., 50000, and the last outputs"
)
def test_three_layers():
    wanted = [
        0.496410031903, 0.00858452565325, 0.00578945986251, 0.00462917677677, 0.00395876528027, 0.00351012256786,
    ]  # fmt: skip
    weights = eleven_lines.start((3, 4), (4, 1))
    for n, error in enumerate(wanted):
        found = float(rg.mean(rg.absolute(eleven_lines.XOR - eleven_lines.outputs(weights))))
        assert found == pytest.approx(error, rel=1e-9), n
        weights = eleven_lines.train(weights, eleven_lines.XOR, rg.tensor(10_000 if n < 5 else 9_999))
    outputs = eleven_lines.outputs(weights).numpy().ravel()
    assert outputs == pytest.approx([0.0026057246, 0.99672209, 0.99701711, 0.0038675931], rel=1e-8)


# 10.9 -----------------------------------------------------------------------------------------------------------------


@pytest.mark.system("10.9", home="E", figure="class counts 606, 382, 12; at least 0.95 on the test rows")
def test_the_synthetic_classifier():
    """On the interpreter, which rounds as NumPy does: the training blows rounding up until rows change sides."""
    draw = np.random.RandomState(1)
    data = synthetic_classifier.made(draw)
    assert np.bincount(np.r_[data.labels, data.test_labels]).tolist() == [606, 382, 12]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RETROGRAD_ENGINE", "interpreter")
        parameters = synthetic_classifier.train(data, draw, batch=16, rate=0.3, epochs=200)
    assert sum(p.size for p in parameters) == 43
    assert synthetic_classifier.accuracy(parameters, data.x, data.labels) > 0.95
    assert synthetic_classifier.accuracy(parameters, data.test_x, data.test_labels) >= 0.95


@pytest.mark.system("10.9", home="E", figure="the same steps as by hand, for every size of batch")
@pytest.mark.parametrize("batch", [1, 16, 800])
def test_every_size_of_batch_makes_the_steps_of_gradient_descent(batch):
    draw = np.random.RandomState(1)
    data = synthetic_classifier.made(draw)
    found = synthetic_classifier.train(data, draw, batch=batch, rate=0.01, epochs=1)
    draw = np.random.RandomState(1)
    synthetic_classifier.made(draw)
    V1 = draw.uniform(-0.5, 0.5, (5, 4))
    c1, V2, c2 = np.zeros(5), draw.uniform(-0.5, 0.5, (3, 5)), np.zeros(3)
    for rows in draw.permutation(800).reshape(-1, batch):
        x, labels = data.x[rows], data.labels[rows]
        hidden = np.tanh(x @ V1.T + c1)
        p = np.exp(hidden @ V2.T + c2)
        delta = (p / p.sum(1, keepdims=True) - np.eye(3)[labels]) / batch
        below = (delta @ V2) * (1 - hidden**2)
        V1, c1 = V1 - 0.01 * below.T @ x, c1 - 0.01 * below.sum(0)
        V2, c2 = V2 - 0.01 * delta.T @ hidden, c2 - 0.01 * delta.sum(0)
    for ours, wanted in zip(found, (V1, c1, V2, c2), strict=True):
        np.testing.assert_allclose(ours.numpy(), wanted, rtol=1e-9, atol=1e-12)


# 10.11 ----------------------------------------------------------------------------------------------------------------


@pytest.mark.system(
    "10.11", home="E", figure="one case: eigenvalues 0, 4, a trough; three: 1.80488451449, 5.48511548551"
)
def test_the_error_surface_of_a_linear_neuron():
    trough = error_surface.hessian(*error_surface.ONE_CASE, 1.0)
    np.testing.assert_allclose(np.linalg.eigvalsh(trough), [0, 4], atol=1e-12)
    for w1 in (-1.0, 0.0, 3.0):  # a line of minima
        assert error_surface.error(np.array([w1, -w1]), *error_surface.ONE_CASE, 1.0).item() == 0
    bowl = error_surface.hessian(*error_surface.CASES)
    np.testing.assert_allclose(bowl, [[2.04, 0.9], [0.9, 5.25]], rtol=1e-12)
    np.testing.assert_allclose(np.linalg.eigvalsh(bowl), [1.80488451449, 5.48511548551], rtol=1e-11)


@pytest.mark.system("10.11", home="E", figure="w* = (0.537878787879, 0.0030303030303), E* = 0.328409090909")
def test_descent_reaches_the_least_squares_solution():
    best = error_surface.minimum(*error_surface.CASES)
    assert best == pytest.approx([0.537878787879, 0.0030303030303], rel=1e-11)
    assert error_surface.error(best, *error_surface.CASES).item() == pytest.approx(0.328409090909, rel=1e-11)
    last = error_surface.path(np.zeros(2), *error_surface.CASES, 0.1).numpy()[-1]
    assert last == pytest.approx([0.5378787867, 0.003030303328], rel=1e-9)


# 10.13 ----------------------------------------------------------------------------------------------------------------


@pytest.mark.system("10.13", home="E", figure="1.09861228867 to 0.63031474567; 0.62950377737 without biases")
def test_softmax_regression():
    case = linear_then_two_layers
    zeros = np.zeros((3, 3)), np.zeros(3)
    assert case.loss(case.linear_scores, zeros, case.X, case.LABELS).item() == pytest.approx(np.log(3), rel=1e-15)
    for start, wanted in ((zeros, 0.63031474567), (zeros[:1], 0.62950377737)):
        after = case.train(case.linear_scores, start, case.X, case.LABELS, 100)
        found = case.loss(case.linear_scores, after, case.X, case.LABELS).item()
        assert found == pytest.approx(wanted, rel=1e-10)


@pytest.mark.system("10.13", home="E", figure="with a hidden layer the same first loss, and the exclusive or")
def test_a_hidden_layer_learns_what_a_linear_classifier_cannot():
    case = linear_then_two_layers
    start = case.hidden_start(3, 4, 3)
    first = case.loss(case.two_layer_scores, start, case.X, case.LABELS).item()
    assert first == pytest.approx(np.log(3), rel=1e-15)
    labels = np.array([0, 1, 1, 0])
    right = []
    for scores, start in (
        (case.linear_scores, (np.zeros((2, 2)), np.zeros(2))),
        (case.two_layer_scores, case.hidden_start(2, 4, 2)),
    ):
        after = case.train(scores, start, xor.X, labels, 1000)
        right.append(int((scores(after, xor.X).numpy().argmax(1) == labels).sum()))
    assert right[0] < 4 and right[1] == 4


# 10.14 ----------------------------------------------------------------------------------------------------------------


@pytest.mark.system("10.14", home="E", figure="cost 85.2962646755, gradient (-18.0290030557, -11.3429741674)")
def test_the_gaussian_unit():
    start = np.float64(2.0), np.float64(-5.0)
    assert gaussian_unit.cost(start).item() == pytest.approx(85.2962646755, rel=1e-11)
    gradient = [g.item() for g in rg.grad(gaussian_unit.cost)(start)]
    assert gradient == pytest.approx([-18.0290030557, -11.3429741674], rel=1e-11)


@pytest.mark.system(
    "10.14", home="E", figure="1.17567723, 5.54608417, cost 8.88391917, accuracy 1; 20.26 with rate 0.1"
)
def test_the_gaussian_unit_learns():
    start = np.float64(2.0), np.float64(-5.0)
    weights = gaussian_unit.train(start, 0.2)
    found = [*(w.item() for w in weights), gaussian_unit.cost(weights).item(), gaussian_unit.accuracy(weights)]
    assert found == pytest.approx([1.17567723, 5.54608417, 8.88391917, 1], rel=5e-9)
    assert gaussian_unit.cost(gaussian_unit.train(start, 0.1)).item() == pytest.approx(20.26, abs=0.005)


# 10.15 ----------------------------------------------------------------------------------------------------------------


@pytest.mark.system("10.15", home="E", figure="h=2: 9 of 10; h=4: 10; cross-entropy: 10 in 284, 203, 248, 282, 163")
@pytest.mark.parametrize(
    "hidden, loss, solved, counts",
    [
        (2, xor.squared_error, 9, [2648, 1470, 1593, 3574, 1229]),
        (4, xor.squared_error, 10, [1507, 1257, 1381, 1601, 1034]),
        (4, xor.cross_entropy, 10, [284, 203, 248, 282, 163]),
    ],
)
def test_the_exclusive_or(hidden, loss, solved, counts):
    found = [xor.train(xor.start(hidden, seed), loss=loss)[0] for seed in range(10)]
    assert sum(n < xor.CAP for n in found) == solved
    assert found[:5] == counts


@pytest.mark.system("10.15", home="E", figure="E = 0.00109319152902 after 5000 updates; the trap: 0.252342608")
def test_five_thousand_updates():
    _, weights = xor.train(xor.start(4, 1), updates=5000, goal=0.0)
    assert xor.squared_error(weights).item() == pytest.approx(0.00109319152902, rel=1e-10)
    outputs = xor.outputs(weights).numpy().ravel()
    assert outputs == pytest.approx([0.02316578, 0.97742555, 0.97766273, 0.025321338], rel=5e-7)
    _, weights = xor.train(xor.trap(), updates=5000)
    assert xor.squared_error(weights).item() == pytest.approx(0.252342608, rel=2e-9)
