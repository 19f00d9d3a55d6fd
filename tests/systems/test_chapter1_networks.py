"""Chapter 1 of the learning systems: layers, partial connections, closures, rounding, control, shards, kinks."""

import numpy as np
import pytest

import retrograd as rg
from examples import data_parallel, optimal_control, units_and_arrows, xor
from examples.fixtures import det
from retrograd import nn
from retrograd.errors import DifferentiationError, ShapeError
from tests.systems.net_a import INPUT, NET_A, TARGET, error, net_a

# 1.12 -----------------------------------------------------------------------------------------------------------------


@pytest.mark.system("1.12", home="L", figure="Y, and the gradients in X, W and b")
def test_the_vectorised_linear_layer():
    x, W, b = det((2, 3), 1, 0), det((3, 2), 1, 6), det((2,), 1, 12)
    ct = np.array([[1.0, -1.0], [0.5, 2.0]])
    y, pull = rg.vjp(lambda x, W, b: rg.matmul(x, W) + b, x, W, b)
    np.testing.assert_allclose(y.numpy(), [[1.20662185, 1.25272544], [-0.192819718, 0.913460404]], rtol=1e-8)
    dx, dW, db = (g.numpy() for g in pull(ct))
    np.testing.assert_allclose(
        dx, [[-0.332371648, 0.956139596, -0.463417289], [2.30720979, -0.881982979, -1.57314094]], rtol=1e-8
    )
    np.testing.assert_allclose(
        dW, [[0.463069737, -2.35507598], [0.429835289, -2.82714598], [0.00141225896, -0.699951004]], rtol=1e-8
    )
    np.testing.assert_allclose(db, [1.5, 1], rtol=1e-14)
    np.testing.assert_allclose(dx, ct @ W.T, rtol=1e-14)
    np.testing.assert_allclose(dW, x.T @ ct, rtol=1e-14)
    fused = rg.vjp(lambda x, W, b: nn.linear(x, W, b), x, W.T, b)[1](ct)
    np.testing.assert_allclose(fused[1].numpy().T, dW, rtol=1e-14)


# 1.13 -----------------------------------------------------------------------------------------------------------------


@pytest.mark.system("1.13", home="L", figure="added up over examples = the batch's gradient to 1e-12; sum = m mean")
def test_accumulation_over_examples():
    x, t = det((7, 3), 1, 0), det((7, 2), 0.5, 3)

    def cost(p, x, t, reduction):
        return nn.mse_loss(net_a(p, x), t, reduction=reduction)

    batch = rg.grad(cost)(NET_A, x, t, "sum")
    mean = rg.grad(cost)(NET_A, x, t, "mean")
    accumulated = {name: np.zeros(v.shape) for name, v in NET_A.items()}
    for row, target in zip(x, t, strict=True):
        for name, g in rg.grad(cost)(NET_A, row, target, "sum").items():
            accumulated[name] += g.numpy()
    for name, total in accumulated.items():
        np.testing.assert_allclose(total, batch[name].numpy(), rtol=1e-12)
        np.testing.assert_allclose(14 * mean[name].numpy(), total, rtol=1e-12)


# 1.14 -----------------------------------------------------------------------------------------------------------------


@pytest.mark.system("1.14", home="L", figure="input gradient (-0.008290080221, -0.01012905509, -0.002655423416)")
def test_the_derivative_in_the_inputs():
    found = rg.grad(error, argnums=1)(NET_A, INPUT).numpy()
    assert found == pytest.approx([-0.008290080221, -0.01012905509, -0.002655423416], rel=1e-9)


# 1.15 -----------------------------------------------------------------------------------------------------------------


M1 = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
M2 = np.array([[1, 0, 1, 0], [0, 1, 0, 1]])


def masked_net():
    model = nn.Sequential(
        nn.Linear(3, 4, dtype="float64", mask=M1), nn.Sigmoid(), nn.Linear(4, 2, dtype="float64", mask=M2), nn.Sigmoid()
    )
    for layer, W, b in ((model[0], "W1", "b1"), (model[2], "W2", "b2")):
        layer.weight, layer.bias = NET_A[W], NET_A[b]
    return model


@pytest.mark.system("1.15", home="L", figure="E = 0.275552739132, norms 0.0207109517029 and 0.130787818323")
def test_a_partially_connected_network():
    model = masked_net()
    loss, gradients = nn.value_and_grad(model, lambda: 0.5 * rg.sum((model(INPUT) - TARGET) ** 2))()
    assert loss.item() == pytest.approx(0.275552739132, rel=1e-11)
    assert np.linalg.norm(gradients["0.weight"].numpy()) == pytest.approx(0.0207109517029, rel=1e-10)
    assert np.linalg.norm(gradients["2.weight"].numpy()) == pytest.approx(0.130787818323, rel=1e-10)
    assert not gradients["0.weight"].numpy()[M1 == 0].any()
    everything = rg.grad(error)(NET_A)
    for_ones = rg.grad(lambda p: error(p, m1=np.ones((4, 3)), m2=np.ones((2, 4))))(NET_A)
    assert all(np.array_equal(everything[n].numpy(), for_ones[n].numpy()) for n in everything)


@pytest.mark.system("1.15", home="L", figure="removed connections stay exactly 0 under every optimiser")
@pytest.mark.parametrize(
    "make",
    [
        lambda m: rg.optim.SGD(m, lr=0.1),
        lambda m: rg.optim.SGD(m, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        lambda m: rg.optim.Adam(m, lr=0.1, weight_decay=0.01),
    ],
)
def test_removed_connections_stay_zero(make):
    model = nn.Sequential(nn.Linear(3, 4, mask=M1), nn.Tanh(), nn.Linear(4, 2, mask=M2))
    optimizer = make(model)
    x, t = det((6, 3), 1, 0).astype("float32"), det((6, 2), 1, 5).astype("float32")
    start = model[0].weight.numpy().copy()
    step = nn.value_and_grad(model, lambda: nn.mse_loss(model(x), t))
    for _ in range(10):
        optimizer.step(step()[1])
    for layer, mask in ((model[0], M1), (model[2], M2)):
        assert not layer.weight.numpy()[mask == 0].any()
    assert np.all((model[0].weight.numpy() != start)[M1 == 1])


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(ShapeError, match="ones and zeros of shape"):
        nn.Linear(3, 4, mask=np.ones((3, 4)))
    with pytest.raises(ShapeError, match="ones and zeros of shape"):
        nn.Linear(3, 4, mask=np.full((4, 3), 0.5))


@pytest.mark.system("1.15", home="E", figure="XOR with one hidden unit: 2980, 3948, 3607, 5165, 3122, 2100, ...")
def test_arrows_that_skip_a_layer():
    wanted = [2980, 3948, 3607, 5165, 3122, 2100, 2704, 2148, 2104, 2645]
    assert [units_and_arrows.updates(seed) for seed in range(10)] == wanted
    rg.check_grads(units_and_arrows.error, (units_and_arrows.start(0),))
    with pytest.raises(ValueError, match="come later"):
        units_and_arrows.Network(["x"], {"a": ["b"], "b": ["x"]}, ["b"])


# 1.16 -----------------------------------------------------------------------------------------------------------------


@pytest.mark.system("1.16", home="L", figure="the same parameters give the same result twice; the model is untouched")
def test_the_closure_is_pure():
    model = masked_net()
    before = {name: value.copy() for name, value in model.state_dict().items()}
    f = nn.closure(model, lambda: 0.5 * rg.sum((model(INPUT) - TARGET) ** 2))
    start = nn.parameters_to_vector(model.parameters())
    (loss, gradient), (again, same) = f(start), f(start)
    assert loss.item() == again.item() == f()[0].item() == pytest.approx(0.275552739132, rel=1e-11)
    assert np.array_equal(gradient.numpy(), same.numpy())
    lower, _ = f(start - 0.1 * gradient)
    assert lower.item() < loss.item()
    assert all(np.array_equal(before[n], v) for n, v in model.state_dict().items())
    nn.vector_to_parameters(start - 0.1 * gradient, model.parameters())
    assert f()[0].item() == lower.item()
    with pytest.raises(ShapeError, match="26 numbers"):
        f(start[:-1])
    compiled, _ = rg.jit(f)(start)
    assert compiled.item() == pytest.approx(0.275552739132, rel=1e-11)


# 1.17 -----------------------------------------------------------------------------------------------------------------


@pytest.mark.system("1.17", home="L", figure="float32 0.1 added ten times: error 1.043e-07, estimate 3.219e-07")
def test_linnainmaas_estimate_bounds_the_error():
    def total(*xs):
        y = xs[0]
        for x in xs[1:]:
            y = y + x
        return y

    tenth = np.float32(0.1)
    estimate = rg.explain(total, *[float(tenth)] * 10).rounding_error()
    assert estimate == pytest.approx(3.219e-07, rel=2e-4)
    single = total(*[rg.tensor(tenth)] * 10).item()
    assert single == pytest.approx(1.000000119, rel=1e-9)
    error = abs(single - 10 * float(tenth))
    assert error == pytest.approx(1.043e-07, rel=1e-3)
    assert error < estimate
    assert rg.explain(total, 1.0, 2.0).rounding_error("float64") == pytest.approx(3 * 2.0**-53, rel=1e-12)


def test_the_estimate_goes_into_blocks():
    @rg.jit
    def square(x):
        return x * x

    inside = rg.explain(lambda x: square(x) + 1.0, 3.0).rounding_error()
    assert inside == pytest.approx(2.0**-24 * (9 + 10), rel=1e-12)


# 1.18 -----------------------------------------------------------------------------------------------------------------


@pytest.mark.system("1.18", home="E", figure="J = 3.5, gradient (3, 2.5, 2, 1.5, 1), costate 7")
def test_the_costates_of_the_regulator():
    problem, nothing = optimal_control.regulator(), [np.float64(0.0)] * 5
    assert float(problem.cost(nothing, 1.0)) == 3.5
    costates, gradient = problem.costates(nothing, 1.0)
    assert [g.item() for g in gradient] == pytest.approx([3, 2.5, 2, 1.5, 1], rel=1e-14)
    assert costates[0].item() == pytest.approx(7, rel=1e-14)
    for k in range(5):  # lambda_k = l_x + f_x lambda_(k+1), at x = 1
        assert costates[k].item() == pytest.approx(1 + costates[k + 1].item(), rel=1e-14)


@pytest.mark.system("1.18", home="E", figure="J* = 0.653113009036, reached by descent to 1e-8")
def test_descent_finds_the_best_controls():
    wanted = [-1.53113009, -0.3589553163, -0.08416883278, -0.01980443124, -0.00495110781]
    assert optimal_control.riccati() == pytest.approx(wanted, rel=1e-8)
    best = optimal_control.descend(np.zeros(5), 0.02).numpy()
    assert best == pytest.approx(wanted, rel=1e-6)
    assert float(optimal_control.regulator().cost(list(best), 1.0)) == pytest.approx(0.653113009036, rel=1e-8)


@pytest.mark.system("1.18", home="E", figure="NET-A as a problem of two stages gives the gradients of 1.11")
def test_a_network_is_a_control_problem():
    problem = optimal_control.Problem(
        f=lambda x, u: rg.sigmoid(nn.linear(x, *u)),
        running=lambda x, u: 0.0,
        final=lambda x: 0.5 * rg.sum((x - TARGET) ** 2),
    )
    controls = [(NET_A["W1"], NET_A["b1"]), (NET_A["W2"], NET_A["b2"])]
    costates, gradient = problem.costates(controls, INPUT)
    wanted = rg.grad(error)(NET_A)
    for (W, b), (w_name, b_name) in zip(gradient, (("W1", "b1"), ("W2", "b2")), strict=True):
        np.testing.assert_allclose(W.numpy(), wanted[w_name].numpy(), rtol=1e-12)
        np.testing.assert_allclose(b.numpy(), wanted[b_name].numpy(), rtol=1e-12)
    np.testing.assert_allclose(costates[0].numpy(), rg.grad(error, argnums=1)(NET_A, INPUT).numpy(), rtol=1e-12)


# 1.19 -----------------------------------------------------------------------------------------------------------------


@pytest.mark.system("1.19", home="E", figure="4 shards = the whole to 2.2e-16, bit for bit with any number of workers")
def test_shards():
    case = data_parallel
    whole = rg.grad(case.loss)(case.START, case.X, case.T)
    found = {n: case.sharded_gradient(case.START, case.X, case.T, 4, n) for n in (1, 2, 4)}
    for g, w in zip(found[1], whole, strict=True):
        np.testing.assert_allclose(g, w.numpy(), rtol=0, atol=2.3e-16)
    for workers in (2, 4):
        assert all(np.array_equal(a, b) for a, b in zip(found[1], found[workers], strict=True))


# 1.21 -----------------------------------------------------------------------------------------------------------------


@pytest.mark.system("1.21", home="L", figure="relu 0, abs 0, leaky relu its slope; max shares a tie")
def test_kinks():
    assert rg.grad(rg.relu)(0.0).item() == 0
    assert rg.grad(rg.absolute)(0.0).item() == 0
    assert rg.grad(lambda x: nn.leaky_relu(x, 0.01))(0.0).item() == 0.01
    assert [g.item() for g in rg.grad(rg.maximum, argnums=(0, 1))(1.0, 1.0)] == [0.5, 0.5]


@pytest.mark.system("1.21", home="L", figure="no training through a step without a surrogate")
def test_nothing_is_learned_through_a_step():
    x = np.array([-1.0, 0.0, 0.5])
    assert nn.step(x).numpy().tolist() == [0, 0, 1]
    for attempt in (
        lambda: rg.grad(lambda x: rg.sum(nn.step(x)))(x),
        lambda: rg.jvp(nn.step, (x,), (x,)),
        lambda: nn.Step()(nn.Linear(3, 2, dtype="float64")(x)),
        lambda: rg.vmap(rg.grad(nn.step))(x),
    ):
        with pytest.raises(DifferentiationError, match="Name a surrogate"):
            attempt()
    smooth = rg.grad(lambda x: rg.sum(nn.step(x, rg.sigmoid)))(x).numpy()
    np.testing.assert_allclose(smooth, rg.grad(lambda x: rg.sum(rg.sigmoid(x)))(x).numpy(), rtol=1e-15)
    model = nn.Sequential(nn.Linear(2, 1, dtype="float64"), nn.Step(rg.sigmoid))
    loss, gradients = nn.value_and_grad(model, lambda: rg.sum(model(xor.X)))()
    assert np.any(gradients["0.weight"].numpy())
