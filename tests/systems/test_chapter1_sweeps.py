"""Chapter 1 of the learning systems: other ways through the same recorded graph, and what people did before."""

import itertools
import math

import numpy as np
import pytest

import retrograd as rg
from examples.fixtures import det
from retrograd import learning, nn
from retrograd.errors import RetrogradError, ShapeError
from tests.systems.net_a import INPUT, NET_A, TARGET, error


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

    def given(value):
        return lambda *z: value

    equations = [given(v) for v in p["W1"].ravel()]  # the weights of the first layer are the values that vary
    fixed = len(equations)
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
