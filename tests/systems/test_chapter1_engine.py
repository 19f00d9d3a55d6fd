"""Chapter 1 of the learning systems: the scalar engine, the computational graph, layered backpropagation."""

import math
from itertools import pairwise

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn
from retrograd.errors import SpentTape

ONE_IN_1E11 = 1e-11


def det(shape, s, p):
    """The fixture of the specification: s sin(p + k), k = 1, 2, ..., row by row."""
    n = math.prod(shape)
    return s * np.sin(p + np.arange(1, n + 1)).reshape(shape)


def leaf(value):
    return rg.tensor(value, dtype="float64", requires_grad=True)


# 1.1 ------------------------------------------------------------------------------------------------------------------


def expression(a, b):
    """The expression of micrograd's README."""
    c = a + b
    d = a * b + b**3
    c = c + c + 1
    c = c + 1 + c + (-a)
    d = d + d * 2 + rg.relu(b + a)
    d = d + 3 * d + rg.relu(b - a)
    e = c - d
    f = e**2
    g = f / 2.0
    return g + 10.0 / f


@pytest.mark.system("1.1", home="L", figure="g = 24.7040816327, dg/da = 138.833819242, dg/db = 645.577259475")
def test_the_expression_of_micrograd():
    a, b = leaf(-4.0), leaf(2.0)
    g = expression(a, b)
    g.backward()
    assert g.item() == pytest.approx(24.7040816327, rel=ONE_IN_1E11)
    assert a.grad.item() == pytest.approx(138.833819242, rel=ONE_IN_1E11)
    assert b.grad.item() == pytest.approx(645.577259475, rel=ONE_IN_1E11)


@pytest.mark.system("1.1", home="L", figure="z = 144, dz/dx = 168")
def test_adjoints_of_a_shared_value_are_added():
    x = leaf(3.0)
    y = x**2 + x
    z = y**2
    z.backward(retain_graph=True)
    assert (z.item(), x.grad.item()) == (144, 168)
    z.backward()
    assert x.grad.item() == 336
    with pytest.raises(SpentTape):
        z.backward()


@pytest.mark.system("1.1", home="L", figure="all 13 local derivatives")
@pytest.mark.parametrize(
    "f, derivatives",
    [
        (lambda a, b: a + b, lambda *_: (1, 1)),
        (lambda a, b: a * b, lambda a, b: (b, a)),
        (lambda a, b: a - b, lambda *_: (1, -1)),
        (lambda a, b: a / b, lambda a, b: (1 / b, -a / b**2)),
        (lambda a, b: a**3 + 0 * b, lambda a, _: (3 * a**2, 0)),
        (lambda a, b: a**-1.5 * b, lambda a, b: (-1.5 * a**-2.5 * b, a**-1.5)),
        (lambda a, b: -a * b, lambda a, b: (-b, -a)),
        (lambda a, b: rg.exp(a) * b, lambda a, b: (math.exp(a) * b, math.exp(a))),
        (lambda a, b: rg.log(a) * b, lambda a, b: (b / a, math.log(a))),
        (lambda a, b: rg.tanh(a) + b, lambda a, _: (1 - math.tanh(a) ** 2, 1)),
        (lambda a, b: rg.sigmoid(a) + b, lambda a, _: (math.exp(-a) / (1 + math.exp(-a)) ** 2, 1)),
        (lambda a, b: rg.relu(a) + rg.relu(-b), lambda *_: (1, 0)),
        (lambda a, b: 2 + a - (2 - b) * (2 / a), lambda a, b: (1 + (2 - b) * 2 / a**2, 2 / a)),
    ],
)
def test_local_derivatives(f, derivatives):
    a, b = leaf(0.7), leaf(1.3)
    f(a, b).backward()
    expected = derivatives(0.7, 1.3)
    assert (a.grad.item(), b.grad.item()) == pytest.approx(expected, rel=1e-14)


@pytest.mark.system("1.1", home="L", figure="a chain of 10 000 additions")
def test_a_long_chain_does_not_recurse():
    x = leaf(1.0)
    y = x
    for _ in range(10_000):
        y = y + x
    y.backward()
    assert (y.item(), x.grad.item()) == (10_001, 10_001)


# 1.2 ------------------------------------------------------------------------------------------------------------------


@pytest.mark.system("1.2", home="L", figure="f(1) = 2.31977682472, f'(1) = 2.50676153499")
@pytest.mark.parametrize("x, f, slope", [(1.0, 2.31977682472, 2.50676153499), (0.7, 1.60099592411, 1.97765583448)])
def test_connection_derivatives_multiply(x, f, slope):
    at = leaf(x)
    value = rg.exp(rg.sin(at**2))
    value.backward()
    assert value.item() == pytest.approx(f, rel=ONE_IN_1E11)
    assert at.grad.item() == pytest.approx(slope, rel=ONE_IN_1E11)
    assert at.grad.item() == pytest.approx(math.exp(math.sin(x**2)) * math.cos(x**2) * 2 * x, rel=1e-14)


@pytest.mark.system("1.2", home="L", figure="f = 5, gradients (5, 5, 1)")
def test_the_course_exercise():
    x, y, z = leaf(4.0), leaf(-3.0), leaf(5.0)
    f = (x + y) * z
    f.backward()
    assert (f.item(), x.grad.item(), y.grad.item(), z.grad.item()) == (5, 5, 5, 1)


@pytest.mark.system("1.2", home="L", figure="broadcasting is undone by sums")
def test_broadcasting_is_undone_by_summing():
    row, column, scalar = leaf([1.0, 2.0, 3.0]), leaf([[10.0], [20.0]]), leaf(2.0)
    rg.sum(row * column * scalar).backward()
    assert row.grad.tolist() == [60, 60, 60]
    assert column.grad.tolist() == [[12], [12]]
    assert scalar.grad.item() == 180


# 1.11 -----------------------------------------------------------------------------------------------------------------

SQUARE = lambda o, t: 0.5 * rg.sum((o - t) ** 2)


def net_a():
    net = nn.Sequential(nn.Linear(3, 4, dtype="float64"), nn.Sigmoid(), nn.Linear(4, 2, dtype="float64"), nn.Sigmoid())
    net[0].weight, net[0].bias = det((4, 3), 0.5, 0), det((4,), 0.1, 2)
    net[2].weight, net[2].bias = det((2, 4), 0.5, 1), det((2,), 0.1, 3)
    return net


@pytest.mark.system("1.11", home="L", figure="E = 0.319844437039 and every delta of NET-A")
def test_net_a():
    net = net_a()
    x, t = leaf([0.5, -0.25, 1.0]), [1.0, 0.0]
    hidden = net[:2](x)
    out = net[2:](hidden)
    loss = SQUARE(out, rg.tensor(t, dtype="float64"))
    loss.backward()
    grads = {name: p.grad.numpy() for name, p in net.named_parameters()}
    near = lambda values: pytest.approx(np.array(values), rel=2e-9)  # the figures are printed with 10 digits
    assert hidden.numpy() == near([0.5452204898, 0.4292962305, 0.5376147193, 0.4237899066])
    assert out.numpy() == near([0.449143821, 0.5798675229])
    assert loss.item() == pytest.approx(0.319844437039, rel=1e-11)
    assert grads["2.bias"] == near([-0.1362893374, 0.1412680095])  # delta 2
    assert grads["0.bias"] == near([-0.02025793413, 0.009013345433, 0.03019175577, 0.0230651955])  # delta 1
    assert x.grad.numpy() == near([-0.008290080221, -0.01012905509, -0.002655423416])
    assert np.linalg.norm(grads["0.weight"]) == pytest.approx(0.0503975214394, rel=1e-11)
    assert np.linalg.norm(grads["2.weight"]) == pytest.approx(0.191342912907, rel=1e-11)
    assert grads["0.weight"][0, 0] == pytest.approx(-0.0101289670635, rel=1e-11)
    assert grads["2.weight"][1, 3] == pytest.approx(0.0598679565328, rel=1e-11)


FUNCTIONS = {  # activation and its derivative, by hand
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2, nn.Sigmoid),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2, nn.Tanh),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0, nn.ReLU),
    "softplus": (lambda z: np.log1p(np.exp(z)), lambda z: 1 / (1 + np.exp(-z)), nn.Softplus),
    "identity": (lambda z: z, np.ones_like, nn.Identity),
}


def layered(weights, biases, functions, x, t):
    """The equations for L layers, one example: the gradients of every W and b, and of the input."""
    a, zs, activations = x, [], [x]
    for w, b, (f, _, _) in zip(weights, biases, functions, strict=True):
        zs.append(w @ a + b)
        a = f(zs[-1])
        activations.append(a)
    delta = (a - t) * functions[-1][1](zs[-1])
    grads = []
    for layer in reversed(range(len(weights))):
        grads.append((np.outer(delta, activations[layer]), delta))
        upstream = weights[layer].T @ delta
        delta = upstream * functions[layer - 1][1](zs[layer - 1]) if layer else upstream
    return grads[::-1], delta


@pytest.mark.system("1.11", home="L", figure="any depth, a mix of activations: the layered equations to 1e-12")
@pytest.mark.parametrize("depth", range(1, 7))
def test_the_layered_equations_hold_at_any_depth(depth):
    widths = [3, 4, 2, 5, 3, 4, 2][: depth + 1]
    functions = [list(FUNCTIONS.values())[(depth + i) % len(FUNCTIONS)] for i in range(depth)]
    weights = [det((n, m), 0.7, i) for i, (m, n) in enumerate(pairwise(widths))]
    biases = [det((n,), 0.3, 10 + i) for i, n in enumerate(widths[1:])]
    x, t = det((widths[0],), 1, 20), det((widths[-1],), 1, 30)
    layers = []
    for w, b, (_, _, activation) in zip(weights, biases, functions, strict=True):
        linear = nn.Linear(*w.shape[::-1], dtype="float64")
        linear.weight, linear.bias = w, b
        layers += [linear, activation()]
    net = nn.Sequential(*layers)
    expected, input_gradient = layered(weights, biases, functions, x, t)
    at = leaf(x)
    SQUARE(net(at), t).backward()
    np.testing.assert_allclose(at.grad.numpy(), input_gradient, rtol=1e-12, atol=1e-14)
    for linear, (w, b) in zip(layers[::2], expected, strict=True):
        np.testing.assert_allclose(linear.weight.grad.numpy(), w, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(linear.bias.grad.numpy(), b, rtol=1e-12, atol=1e-14)


@pytest.mark.system("1.11", home="L", figure="the cost is an average of costs of examples")
def test_the_assumptions_about_the_cost():
    net = net_a()
    xs, ts = det((5, 3), 1, 0), det((5, 2), 1, 7)
    mean = nn.value_and_grad(net, lambda: 0.5 * rg.sum((net(xs) - ts) ** 2) / 5)()[1]
    each = [nn.value_and_grad(net, lambda i=i: SQUARE(net(xs[i]), ts[i]))()[1] for i in range(5)]
    for name, g in mean.items():
        np.testing.assert_allclose(g.numpy(), sum(e[name].numpy() for e in each) / 5, rtol=1e-12, atol=1e-15)
