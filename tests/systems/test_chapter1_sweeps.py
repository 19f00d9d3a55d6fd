"""Chapter 1 of the learning systems: other ways through the same recorded graph, and what people did before."""

import itertools
import math

import numpy as np
import pytest

import retrograd as rg
from examples import data_parallel, optimal_control, units_and_arrows, xor
from examples.fixtures import det
from retrograd import learning, nn
from retrograd.errors import DifferentiationError, RetrogradError, ShapeError

NET_A = {
    "W1": det((4, 3), 0.5, 0), "b1": det((4,), 0.1, 2), "W2": det((2, 4), 0.5, 1), "b2": det((2,), 0.1, 3),
}  # fmt: skip
INPUT, TARGET = np.array([0.5, -0.25, 1.0]), np.array([1.0, 0.0])


def net_a(p, x=INPUT, m1=1.0, m2=1.0):
    hidden = rg.sigmoid(nn.linear(x, p["W1"] * m1, p["b1"]))
    return rg.sigmoid(nn.linear(hidden, p["W2"] * m2, p["b2"]))


def error(p, x=INPUT, **masks):
    return 0.5 * rg.sum((net_a(p, x, **masks) - TARGET) ** 2)


def norm(tree):
    return math.sqrt(sum(float((np.asarray(leaf) ** 2).sum()) for leaf in tree.values()))


# 1.3 ------------------------------------------------------------------------------------------------------------------


@pytest.mark.system("1.3", home="L", figure="fused logistic = composed to 1e-15, finite at 1000")
def test_the_fused_logistic_is_the_quotient():
    def composed(z):
        return 1.0 / (1.0 + rg.exp(-z))

    for z in (-3.0, -0.5, 0.0, 0.5, 3.0):
        assert rg.grad(rg.sigmoid)(z).item() == pytest.approx(rg.grad(composed)(z).item(), abs=1e-15)
        quotient = math.exp(-z) / (1 + math.exp(-z)) ** 2
        assert rg.grad(rg.sigmoid)(z).item() == pytest.approx(quotient, rel=1e-14)
    assert [rg.sigmoid(z).item() for z in (-1000.0, 1000.0)] == [0, 1]
    assert [rg.grad(rg.sigmoid)(z).item() for z in (-1000.0, 1000.0)] == [0, 0]


@pytest.mark.system("1.3", home="L", figure="add distributes, multiply swaps, copy sums, sum and mean spread")
def test_gates():
    x, y = np.array([2.0, -3.0]), np.array([5.0, 7.0])
    gradient = rg.grad(lambda x, y: rg.sum(x * y), argnums=(0, 1))(x, y)
    assert [g.numpy().tolist() for g in gradient] == [y.tolist(), x.tolist()]
    assert [g.item() for g in rg.grad(lambda a, b: a + b, argnums=(0, 1))(1.0, 2.0)] == [1, 1]
    assert rg.grad(lambda a: a + a + a)(1.0).item() == 3
    assert rg.grad(rg.sum)(x).numpy().tolist() == [1, 1] and rg.grad(rg.mean)(x).numpy().tolist() == [0.5, 0.5]
    assert rg.grad(lambda x: rg.reshape(rg.transpose(rg.reshape(x, (1, 2))), (2,))[1])(x).numpy().tolist() == [0, 1]
    assert rg.grad(rg.max)(x).numpy().tolist() == [1, 0]


# 1.4 ------------------------------------------------------------------------------------------------------------------


def dense(*sizes):
    x = det((sizes[0],), 1, 0)
    weights = [det((n, m), 0.1, k) for k, (m, n) in enumerate(itertools.pairwise(sizes))]

    def run(*weights):
        a = x
        for W in weights:
            a = rg.sigmoid(nn.linear(a, W, np.zeros(W.shape[0])))
        return rg.sum(a)

    return learning.record(run, *weights)


@pytest.mark.system("1.4", home="S", figure="784-30-10: forward 23820, backward 24120; 4-4-4-1: 36 and 56")
@pytest.mark.parametrize("sizes, cost", [((784, 30, 10), (23820, 24120)), ((4, 4, 4, 1), (36, 56))])
def test_a_gradient_costs_less_than_two_evaluations_more(sizes, cost):
    found = learning.multiply_adds(dense(*sizes))
    assert found == cost
    assert (found.forward + found.backward) / found.forward < 3


@pytest.mark.system("1.4", home="S", figure="k diamonds: the sweep visits k + 1 nodes, recursion 2^(k+1) - 1")
@pytest.mark.parametrize("k", [1, 5, 12])
def test_the_sweep_visits_every_node_once(k):
    def diamonds(v):
        for _ in range(k):
            v = v + v
        return v

    assert learning.visits(learning.record(diamonds, 1.0)) == (k + 1, 2 ** (k + 1) - 1)


@pytest.mark.system("1.4", home="S", figure="dc/da = 33")
def test_recursion_and_the_sweep_differ_in_cost_alone():
    def c(a):
        b1 = 2 * a
        return 4 * b1 + 5 * (3 * a + b1)

    tape = learning.record(c, 1.5)
    assert float(tape.backward()[0]) == learning.path_sum(tape) == 33
    counts = learning.visits(tape)
    assert counts.sweep < counts.recursion


def test_too_many_visits_are_refused():
    def diamonds(v):
        for _ in range(40):
            v = v + v
        return v

    tape = learning.record(diamonds, 1.0)
    assert learning.path_count(tape) == 2**40
    with pytest.raises(RetrogradError, match="1099511627776 paths are too many"):
        learning.path_sum(tape)
    with pytest.raises(RetrogradError, match="the sweep makes 41"):
        learning.visits(tape, limit=1000)


# 1.5 ------------------------------------------------------------------------------------------------------------------


@pytest.mark.system("1.5", home="S", figure="32 paths of 19.1943424958 each, derivative 614.218959865")
def test_path_aggregation():
    def squares(w):
        left = right = w
        for _ in range(4):
            left, right = left * right, left * right
        return left * right

    tape = learning.record(squares, 1.1)
    assert float(tape.value) == pytest.approx(21.1137767454, rel=1e-11)
    found = [product for _, product in learning.paths(tape)]
    assert learning.path_count(tape) == len(found) == 32
    assert found == pytest.approx([19.1943424958] * 32, rel=1e-11)
    assert learning.path_sum(tape) == pytest.approx(614.218959865, rel=1e-11)
    assert learning.path_sum(tape) == pytest.approx(float(tape.backward()[0]), rel=1e-12)


def test_paths_of_several_arguments_and_of_none():
    tape = learning.record(lambda a, b, c: rg.sin(a * b) + a, 0.3, 0.7, 9.0)
    for i, gradient in enumerate(tape.backward()):
        assert learning.path_sum(tape, i) == pytest.approx(0.0 if gradient is None else float(gradient), rel=1e-14)
    constant = learning.record(lambda a: rg.tensor(2.0), 1.0)
    assert (learning.path_count(constant), learning.path_sum(constant), constant.backward()) == (0, 0, [None])
    assert learning.visits(constant) == (0, 0)


def test_connections_are_of_scalars():
    tape = learning.record(lambda x: rg.sum(x * x), np.ones(3))
    with pytest.raises(ShapeError, match="write the program with scalars"):
        learning.path_sum(tape)
    with pytest.raises(ShapeError, match="give a cotangent"):
        learning.record(lambda x: x * 2, np.ones(3)).backward()
    with pytest.raises(RetrogradError, match="record inside grad"):
        rg.grad(lambda x: learning.record(lambda y: y, 1.0).value * x)(1.0)


# 1.6 ------------------------------------------------------------------------------------------------------------------


@pytest.mark.system("1.6", home="L", figure="1000-100-100-1: 110000 multiply-adds for the gradient, not 10100000")
def test_reverse_accumulation_goes_output_side_first():
    first, second, last = det((100, 1000), 0.01, 0), det((100, 100), 0.1, 1), det((1, 100), 0.1, 2)

    def chain(x):
        for W in (first, second, last):
            x = rg.matmul(x, W.T)
        return rg.sum(x)

    tape = learning.record(chain, det((1000,), 1, 3))
    assert learning.multiply_adds(tape).backward == 110_000 + 100  # and the seed through the 1 x 100 at the end
    assert 100 * 1000 * 100 + 100 * 1000 == 10_100_000
    np.testing.assert_allclose(tape.backward()[0], (last @ second @ first)[0], rtol=1e-10, atol=1e-15)


@pytest.mark.system("1.6", home="L", figure="<u, J v> = <J^T u, v>; both orders of the product agree to 1e-12")
def test_a_sequence_of_functions():
    functions = [rg.sin, lambda x: x * x[::-1], rg.tanh]

    def f(x):
        for g in functions:
            x = g(x)
        return x

    x, u, v = det((4,), 0.7, 0), det((4,), 1, 5), det((4,), 1, 9)
    pulled, pushed = rg.vjp(f, x)[1](u)[0].numpy(), rg.jvp(f, (x,), (v,))[1].numpy()
    assert u @ pushed == pytest.approx(pulled @ v, rel=1e-12)
    jacobians, at = [], x
    for g in functions:
        jacobians.append(rg.jacobian(g)(at).numpy())
        at = np.asarray(g(at))
    a, b, c = jacobians
    np.testing.assert_allclose(u @ ((c @ b) @ a), u @ (c @ (b @ a)), rtol=1e-12)
    np.testing.assert_allclose(pulled, u @ (c @ b @ a), rtol=1e-12)


# 1.7 ------------------------------------------------------------------------------------------------------------------


@pytest.mark.system("1.7", home="S", figure="simple derivative 0, ordered derivative 33")
def test_ordered_derivatives():
    system = learning.OrderedSystem(lambda: 1.0, lambda a: 2 * a, lambda a, b: 3 * a + b, lambda a, b, c: 4 * b + 5 * c)
    assert system.simple_derivatives() == [0, 4, 5]
    assert system.ordered_derivatives()[0] == 33
    assert system.forward_derivatives(0) == [1, 2, 5, 33]
    with pytest.raises(RetrogradError, match="source=4"):
        system.forward_derivatives(4)
    with pytest.raises(RetrogradError, match="at least two"):
        learning.OrderedSystem(lambda: 1.0)


@pytest.mark.system("1.7", home="S", figure="NET-A as an ordered system gives 1.11 to 1e-12")
def test_net_a_as_an_ordered_system():
    p = NET_A
    equations = [lambda v=v: v for v in p["W1"].ravel()]  # the weights of the first layer are the values that vary
    fixed = len(equations)

    def given(value):
        return lambda *z: value

    equations = [given(v) for v in p["W1"].ravel()]
    for j in range(4):
        equations.append(lambda *z, j=j: rg.sigmoid(sum(z[3 * j + i] * INPUT[i] for i in range(3)) + p["b1"][j]))
    for k in range(2):
        equations.append(lambda *z, k=k: rg.sigmoid(sum(p["W2"][k, j] * z[fixed + j] for j in range(4)) + p["b2"][k]))
    equations.append(lambda *z: 0.5 * ((z[-2] - TARGET[0]) ** 2 + (z[-1] - TARGET[1]) ** 2))
    found = learning.OrderedSystem(*equations).ordered_derivatives()
    wanted = rg.grad(error)(p)["W1"].numpy().ravel()
    np.testing.assert_allclose(found[:12], wanted, rtol=1e-12)
    assert found[0] == pytest.approx(-0.0101289670635, rel=1e-11)


# 1.8 ------------------------------------------------------------------------------------------------------------------


def relative_error(estimate):
    exact = rg.grad(error)(NET_A)
    apart = {name: np.asarray(estimate.gradient[name]) - exact[name].numpy() for name in exact}
    return norm(apart) / norm({name: g.numpy() for name, g in exact.items()})


@pytest.mark.system("1.8", home="L", figure="27 evaluations for 26 parameters; errors 0.001191, 1.19e-05, 1.191e-07")
def test_one_evaluation_for_every_parameter():
    found = {e: learning.one_sided_differences(error, NET_A, e) for e in (1e-2, 1e-4, 1e-6, 1e-10)}
    assert {e.evaluations for e in found.values()} == {27}
    assert relative_error(found[1e-2]) == pytest.approx(0.001191, rel=1e-3)
    assert relative_error(found[1e-4]) == pytest.approx(1.19e-05, rel=1e-3)
    assert relative_error(found[1e-6]) == pytest.approx(1.191e-07, rel=0.05)
    assert relative_error(found[1e-10]) > relative_error(found[1e-6])  # rounding wins


@pytest.mark.system("1.8", home="L", figure="central: 7.896e-06, 7.898e-10")
def test_central_differences():
    found = {e: learning.central_differences(error, NET_A, e) for e in (1e-2, 1e-4, 1e-8)}
    assert found[1e-2].evaluations == 52
    assert relative_error(found[1e-2]) == pytest.approx(7.896e-06, rel=1e-3)
    assert relative_error(found[1e-4]) == pytest.approx(7.898e-10, rel=0.05)
    assert relative_error(found[1e-8]) > relative_error(found[1e-4])
    with pytest.raises(RetrogradError, match="greater than 0"):
        learning.central_differences(error, NET_A, 0.0)
    with pytest.raises(RetrogradError, match="no parameters"):
        learning.central_differences(error, {})


# 1.9 ------------------------------------------------------------------------------------------------------------------


@pytest.mark.system("1.9", home="L", figure="theta^3 at 1 with epsilon 0.01: 3.0001")
def test_a_central_difference_by_hand():
    assert learning.central_differences(lambda t: t**3, 1.0, 0.01).gradient == pytest.approx(3.0001, rel=1e-12)


# 1.10 -----------------------------------------------------------------------------------------------------------------


X, BEST = det((10, 3), 1, 0), np.array([1.0, -2.0, 0.5])


def regression(w):
    return 0.5 * rg.mean((rg.matmul(X, w) - X @ BEST) ** 2)


@pytest.mark.system("1.10", home="L", figure="random search: 106 trials; gradient descent: 15 steps")
def test_random_search_and_descent():
    found = learning.random_search(regression, np.zeros(3), size=0.1, draw=np.random.RandomState(0).randn, goal=1e-4)
    assert (found.trials, len(found.losses)) == (106, 107)
    assert np.all(np.diff(found.losses) <= 0)
    assert float(regression(found.params)) == found.losses[-1] <= 1e-4
    w, steps = np.zeros(3), 0
    while float(regression(w)) > 1e-4:
        w, steps = w - 0.5 * rg.grad(regression)(w).numpy(), steps + 1
    assert steps == 15


@pytest.mark.system("1.10", home="L", figure="the mean over all 8 sign vectors is the gradient to 1e-9")
def test_the_mean_over_all_sign_vectors_is_the_gradient():
    w = np.array([0.3, -0.7, 1.1])
    estimates = [
        learning.simultaneous_perturbation(regression, w, signs) for signs in itertools.product((-1, 1), repeat=3)
    ]
    assert {e.evaluations for e in estimates} == {2}
    mean = np.mean([e.gradient for e in estimates], axis=0)
    np.testing.assert_allclose(mean, rg.grad(regression)(w).numpy(), rtol=1e-9)
    drawn = learning.simultaneous_perturbation(regression, w, rng=np.random.default_rng(0)).gradient
    assert np.ptp(np.abs(drawn)) == 0 and drawn.shape == (3,)
    with pytest.raises(RetrogradError, match="3 numbers -1 or 1"):
        learning.simultaneous_perturbation(regression, w, [1, 1])


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
