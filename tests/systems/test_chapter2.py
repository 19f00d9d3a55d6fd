"""Chapter 2 of the learning systems: activations, losses, and what layers are made of."""

import itertools
import math

import numpy as np
import pytest

import retrograd as rg
from examples.fixtures import det
from retrograd import nn
from retrograd.errors import DifferentiationError, RetrogradError, ShapeError

# 2.1, 2.2 -------------------------------------------------------------------------------------------------------------


@pytest.mark.system(
    "2.1", home="L", figure="s' at -1 ... 1 = 0.196611933241, 0.235003712202, 0.25, ...; s(2) = 0.880797077978"
)
def test_the_logistic():
    z = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    slope = rg.vmap(rg.grad(rg.sigmoid))(z).numpy()
    assert slope == pytest.approx([0.196611933241, 0.235003712202, 0.25, 0.235003712202, 0.196611933241], rel=1e-11)
    assert rg.sigmoid(2.0).item() == pytest.approx(0.880797077978, rel=1e-11)
    wide = rg.sigmoid(np.array([-1e4, -700.0, 0.0, 700.0, 1e4])).numpy()
    assert np.isfinite(wide).all() and np.all(np.diff(wide) >= 0) and (wide[0], wide[-1]) == (0, 1)
    s = rg.sigmoid(z).numpy()
    second = rg.vmap(rg.grad(rg.grad(rg.sigmoid)))(z).numpy()
    np.testing.assert_allclose(second, s * (1 - s) * (1 - 2 * s), rtol=1e-12, atol=1e-17)


@pytest.mark.system("2.1", home="L", figure="the derivative applied to an activation gives 0.219361864, which is wrong")
def test_the_derivative_is_one_of_the_net_input():
    a = rg.sigmoid(1.0).item()
    assert rg.grad(rg.sigmoid)(a).item() == pytest.approx(0.219361864, abs=2e-8)
    assert a * (1 - a) == pytest.approx(0.1966119332, abs=1e-10) == rg.grad(rg.sigmoid)(1.0).item()


@pytest.mark.system(
    "2.2", home="L", figure="tanh(0.5) = 0.46211715726, 0.786447732966; scaled 0.9999972559, 0.7554124359"
)
def test_the_hyperbolic_tangent():
    def scaled(z):
        return 1.7159 * rg.tanh(2 * z / 3)

    assert rg.tanh(0.5).item() == pytest.approx(0.46211715726, rel=1e-11)
    assert rg.grad(rg.tanh)(0.5).item() == pytest.approx(0.786447732966, rel=1e-11)
    assert scaled(rg.tensor(1.0, dtype="float64")).item() == pytest.approx(0.9999972559, rel=1e-9)
    assert rg.grad(scaled)(0.0).item() == pytest.approx(1.143933333, rel=1e-9)
    assert rg.grad(scaled)(1.0).item() == pytest.approx(0.7554124359, rel=1e-9)
    for z in (-2.0, 0.3, 1.7):
        t = math.tanh(z)
        assert 2 * rg.sigmoid(2 * z).item() - 1 == pytest.approx(t, abs=1e-15)
        assert rg.grad(rg.grad(rg.tanh))(z).item() == pytest.approx(-2 * t * (1 - t * t), rel=1e-13)


# 2.3 ------------------------------------------------------------------------------------------------------------------


@pytest.mark.system(
    "2.3", home="L", figure="slope 0: never moves from (1, -5), loss 2; slope 0.01: below 1e-20, b to 2, w to 0"
)
@pytest.mark.parametrize("slope", [0.0, 0.01])
def test_a_dead_unit_and_a_leaky_one(slope):
    x = np.array([0.5, 1.0, 1.5])

    def loss(p):
        return 0.5 * rg.mean((nn.leaky_relu(p[0] * x + p[1], slope) - 2.0) ** 2)

    @rg.jit
    def train(p):
        return rg.fori_loop(0, 20_000, lambda i, p: p - 0.05 * rg.grad(loss)(p), p)

    w, b = p = train(np.array([1.0, -5.0])).numpy()
    if slope == 0.0:
        assert (w, b, loss(p).item()) == (1, -5, 2)
    else:
        assert loss(p).item() < 1e-20
        assert (w, b) == pytest.approx((0, 2), abs=1e-9)


# 2.4 ------------------------------------------------------------------------------------------------------------------


@pytest.mark.system("2.4", home="L", figure="exp(-z^2): -2 z exp(-z^2); softplus: sigmoid, stable; step: forward only")
def test_linear_gaussian_and_softplus_units():
    for z in (-1.5, 0.2, 0.9):
        assert rg.grad(nn.gaussian)(z).item() == pytest.approx(-2 * z * math.exp(-z * z), rel=1e-14)
        assert rg.grad(rg.softplus)(z).item() == pytest.approx(rg.sigmoid(z).item(), rel=1e-15)
    stable = rg.softplus(np.array([-1000.0, 0.0, 1000.0])).numpy()
    assert stable.tolist() == [0, math.log(2), 1000]
    z = rg.tensor([-1.0, 0.0, 1.0], dtype="float64")
    assert np.array_equal(nn.Gaussian()(z).numpy(), nn.gaussian(z).numpy())
    rg.check_grads(lambda z: rg.sum(nn.gaussian(z) * nn.softplus(z)), (z,), order=2)
    assert nn.Step()(z).numpy().tolist() == [0, 0, 1]


# 2.5 ------------------------------------------------------------------------------------------------------------------


@pytest.mark.system(
    "2.5", home="L", figure="0.0900305731704, 0.244728471055, 0.665240955775; Jacobian 0.0819250691, ..."
)
def test_softmax():
    z = np.array([1.0, 2.0, 3.0])
    p = rg.softmax(z).numpy()
    assert p == pytest.approx([0.0900305731704, 0.244728471055, 0.665240955775], rel=1e-11)
    jacobian = rg.jacobian(rg.softmax)(z).numpy()
    np.testing.assert_allclose(jacobian, np.diag(p) - np.outer(p, p), atol=1e-16)
    assert jacobian[0] == pytest.approx([0.0819250691, -0.0220330445, -0.0598920245], rel=1e-8)
    np.testing.assert_allclose(jacobian.sum(1), 0, atol=1e-16)
    np.testing.assert_allclose(rg.softmax(z + 999).numpy(), p, rtol=1e-13)


# 2.6 ------------------------------------------------------------------------------------------------------------------


@pytest.mark.system("2.6", home="L", figure="gradients 1 : 2 : 2/K")
def test_three_conventions_of_the_squared_error():
    y, t = np.array([0.3, -0.2, 0.9]), np.array([0.0, 0.5, 1.0])
    half = rg.grad(lambda y: 0.5 * nn.mse_loss(y, t, reduction="sum"))(y).numpy()
    total = rg.grad(lambda y: nn.mse_loss(y, t, reduction="sum"))(y).numpy()
    mean = rg.grad(lambda y: nn.mse_loss(y, t))(y).numpy()
    np.testing.assert_allclose(half, y - t, rtol=1e-15)
    np.testing.assert_allclose(total, 2 * half, rtol=1e-15)
    np.testing.assert_allclose(mean, 2 / 3 * half, rtol=1e-15)


# 2.7 ------------------------------------------------------------------------------------------------------------------


@pytest.mark.system(
    "2.7", home="L", figure="0.407605964444, gradient (0.0900305731704, 0.244728471055, -0.334759044225)"
)
def test_cross_entropy():
    z = np.array([1.0, 2.0, 3.0])
    assert nn.cross_entropy(z, 2).item() == pytest.approx(0.407605964444, rel=1e-11)
    gradient = rg.grad(lambda z: nn.cross_entropy(z, 2))(z).numpy()
    assert gradient == pytest.approx([0.0900305731704, 0.244728471055, -0.334759044225], rel=1e-11)
    assert nn.cross_entropy(z + 999, 0).item() == pytest.approx(2.40760596444, rel=1e-11)
    unfused = rg.grad(lambda z: -rg.log(rg.softmax(z))[2])(z).numpy()
    np.testing.assert_allclose(gradient, unfused, rtol=1e-12)
    logit, target = 0.7, 0.3
    by_logit = rg.grad(lambda z: nn.binary_cross_entropy_with_logits(z, target))(logit).item()
    assert by_logit == pytest.approx(rg.sigmoid(logit).item() - target, rel=1e-14)
    for t, far in ((0.0, -40.0), (1.0, 40.0)):
        loss = nn.binary_cross_entropy_with_logits(np.array(far), np.array(t)).item()
        assert 0 <= loss < 1e-15


def slowdown(w, b, cost):
    """One logistic neuron, input 1, target 0, 300 steps of 0.15: the output."""

    @rg.jit
    def train(p):
        return rg.fori_loop(0, 300, lambda i, p: p - 0.15 * rg.grad(lambda p: cost(p[0] + p[1]))(p), p)

    return rg.sigmoid(rg.sum(train(np.array([w, b])))).item()


@pytest.mark.system("2.7", home="L", figure="quadratic: 0.0939557 and 0.202848; cross-entropy: 0.011638 and 0.012009")
@pytest.mark.parametrize(
    "cost, ends",
    [
        (lambda z: 0.5 * rg.sigmoid(z) ** 2, (0.0939557, 0.202848)),
        (lambda z: nn.binary_cross_entropy_with_logits(z, rg.zeros_like(z)), (0.011638, 0.012009)),
    ],
)
def test_the_learning_slowdown(cost, ends):
    assert slowdown(0.6, 0.9, cost) == pytest.approx(ends[0], rel=5e-5)
    assert slowdown(2.0, 2.0, cost) == pytest.approx(ends[1], rel=5e-5)


# 2.12 -----------------------------------------------------------------------------------------------------------------


@pytest.mark.system("2.12", home="L", figure="the variance of each law within 5 % at 1e5 draws")
def test_the_variance_of_initial_weights():
    shape = (250, 400)  # out, in
    g = rg.random.Generator(0)
    laws = [
        (nn.init.uniform(shape, 0.0, 1.0, generator=g), 1 / 12),
        (nn.init.uniform(shape, -0.5, 0.5, generator=g), 1 / 12),
        (nn.init.normal(shape, 0.0, 2.0, generator=g), 4.0),
        (nn.init.xavier_uniform(shape, generator=g), 2 / 650),
        (nn.init.kaiming_normal(shape, generator=g), 2 / 400),
        (nn.init.normal(shape, 0.0, 1 / math.sqrt(400), generator=g), 1 / 400),
    ]
    for draws, variance in laws:
        assert np.var(draws.numpy()) == pytest.approx(variance, rel=0.05)


@pytest.mark.system("2.12", home="L", figure="equal weights keep hidden units identical for ever")
def test_symmetry_is_never_broken():
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    for parameter in model.parameters():
        parameter.value = rg.zeros(parameter.shape) + 0.1
    optimizer = rg.optim.Adam(model, lr=0.05)
    x, t = det((5, 2), 1, 0).astype("float32"), det((5, 1), 1, 3).astype("float32")
    step = nn.value_and_grad(model, lambda: nn.mse_loss(model(x), t))
    for _ in range(20):
        optimizer.step(step()[1])
    assert np.ptp(model[0].weight.numpy(), axis=0).max() == 0
    assert np.ptp(model[2].weight.numpy()) == 0 and model[2].weight.numpy()[0, 0] != np.float32(0.1)


# 2.13 -----------------------------------------------------------------------------------------------------------------


SMOOTH = [n for n in nn.neuron_functions("transfer") if n != "step"]


@pytest.mark.system("2.13", home="L", figure="every combination of weight, net input and transfer function is checked")
@pytest.mark.parametrize("weight, net", list(itertools.product(["dot", "distance"], ["sum", "product"])))
def test_every_combination_has_its_derivative(weight, net):
    for transfer in SMOOTH:
        layer = nn.Neurons(
            (2, 1), 2, weight=weight, net_input=net, transfer=transfer, dtype="float64",
            generator=rg.random.Generator(1),
        )  # fmt: skip
        layer.bias = det((2,), 0.5, 3)
        x, y = det((2,), 1, 0), det((1,), 1, 7)
        rg.check_grads(lambda x, y, layer=layer: rg.sum(layer(x, y) ** 2), (x, y))


@pytest.mark.system("2.13", home="L", figure="the product's derivative is the product of the others, at zeros too")
def test_the_product_of_net_inputs_needs_no_division():
    layer = nn.Neurons((1, 1), 1, net_input="product", transfer="linear", dtype="float64")
    layer.weights[0].value, layer.weights[1].value, layer.bias = [[2.0]], [[3.0]], [5.0]
    found = rg.grad(lambda x, y: rg.sum(layer(x, y)), argnums=(0, 1))(np.zeros(1), np.ones(1))
    assert [g.item() for g in found] == [2 * 3 * 5, 0]


@pytest.mark.system("2.13", home="L", figure="(x - w) / |w - x| in w, 0 where both are the same")
def test_the_distance():
    layer = nn.Neurons(2, 1, weight="distance", transfer="linear", bias=False, dtype="float64")
    layer.weights[0].value = [[1.0, 2.0]]
    x = np.array([4.0, 6.0])
    loss, gradients = nn.value_and_grad(layer, lambda x: rg.sum(layer(x)))(x)
    assert loss.item() == -5
    np.testing.assert_allclose(gradients["weights.0"].numpy(), [[0.6, 0.8]], rtol=1e-15)
    same = nn.value_and_grad(layer, lambda x: rg.sum(layer(x)))(np.array([1.0, 2.0]))[1]["weights.0"]
    assert same.numpy().tolist() == [[0, 0]]


@pytest.mark.system("2.13", home="L", figure="without a derivative a layer is refused when it is made")
def test_a_function_without_derivative_serves_inference_only():
    with pytest.raises(DifferentiationError, match="'step' has no derivative"):
        nn.Neurons(2, 1, transfer="step")
    layer = nn.Neurons(2, 1, transfer="step", trainable=False)
    layer.weights[0].value, layer.bias.value = [[1.0, 1.0]], [-1.5]
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "float32")
    assert layer(x).numpy().ravel().tolist() == [0, 0, 0, 1]
    with pytest.raises(RetrogradError, match="no parameter that requires gradients"):
        nn.value_and_grad(layer, lambda: rg.sum(layer(x)))()


def test_functions_are_registered_by_name():
    if "cube" not in nn.neuron_functions("transfer"):
        nn.register_neuron_function("transfer", "cube", lambda n: n**3)
    rg.check_grads(nn.Neurons(2, 2, transfer="cube", dtype="float64"), (det((3, 2), 1, 0),))
    with pytest.raises(RetrogradError, match="'cube' already"):
        nn.register_neuron_function("transfer", "cube", abs)
    with pytest.raises(RetrogradError, match="'weight', 'net input', 'transfer'"):
        nn.register_neuron_function("activation", "x", abs)
    with pytest.raises(RetrogradError, match="is callable"):
        nn.register_neuron_function("weight", "x", 3)
    with pytest.raises(RetrogradError, match="'sin' is none of them"):
        nn.Neurons(2, 2, transfer="sin")
    with pytest.raises(ShapeError, match="2 inputs got 1"):
        nn.Neurons((2, 2), 2)(np.ones((1, 2), "float32"))
    with pytest.raises(ShapeError, match="length 2"):
        nn.Neurons(2, 2)(np.ones((1, 3), "float32"))


# 2.14 -----------------------------------------------------------------------------------------------------------------


@pytest.mark.system("2.14", home="L", figure="the collapsed map is the least squares solution to 1e-6")
def test_a_linear_hidden_layer_learns_a_linear_map():
    x = det((12, 3), 1, 0)
    t = x @ np.array([0.5, -1.0, 2.0]) + 0.3 + 0.05 * det((12,), 1, 40)
    model = nn.Sequential(nn.Linear(3, 2, dtype="float64"), nn.Linear(2, 1, dtype="float64"))
    model[0].weight, model[0].bias = det((2, 3), 0.5, 1), np.zeros(2)
    model[1].weight, model[1].bias = det((1, 2), 0.5, 5), np.zeros(1)
    loss = nn.value_and_grad(model, lambda: 0.5 * nn.mse_loss(model(x)[:, 0], t))
    optimizer = rg.optim.SGD(model, lr=0.2)

    @rg.jit
    def train():
        def step(i, state):
            optimizer.step(loss()[1])
            return state

        return rg.fori_loop(0, 20_000, step, 0)

    train()
    collapsed = (model[1].weight.numpy() @ model[0].weight.numpy()).ravel()
    solution = np.linalg.lstsq(np.c_[x, np.ones(12)], t, rcond=None)[0]
    np.testing.assert_allclose(collapsed, solution[:3], rtol=1e-6)
    rg.check_grads(lambda x: rg.sum(model(x) ** 2), (x,))
