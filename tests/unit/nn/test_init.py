"""Initialisers have the variance they promise, and fill shapes and parameters alike."""

import math

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn
from retrograd.errors import RetrogradError, ShapeError

SHAPE = (200, 100)
OUT, IN = SHAPE
# name -> (arguments, variance, uniform?)
VARIANCES = {
    "xavier_uniform": ({}, 2 / (IN + OUT), True),
    "xavier_normal": ({"gain": 2.0}, 8 / (IN + OUT), False),
    "kaiming_uniform": ({}, 2 / IN, True),
    "kaiming_normal": ({"mode": "fan_out", "nonlinearity": "relu"}, 2 / OUT, False),
    "lecun_uniform": ({}, 1 / IN, True),
    "lecun_normal": ({}, 1 / IN, False),
    "uniform": ({"low": -1.0, "high": 1.0}, 1 / 3, True),
    "normal": ({"std": 3.0}, 9.0, False),
}


@pytest.mark.parametrize("name", VARIANCES)
def test_variance_and_bounds(name):
    arguments, variance, is_uniform = VARIANCES[name]
    w = getattr(nn.init, name)(SHAPE, generator=rg.random.Generator(1), dtype="float64", **arguments).numpy()
    n = w.size
    assert w.dtype == np.float64
    assert abs(w.mean()) < 4 * math.sqrt(variance / n)
    assert w.var() == pytest.approx(variance, rel=4 * math.sqrt(2 / n))
    bound = math.sqrt(3 * variance)
    assert (np.abs(w) <= bound).all() == is_uniform


@pytest.mark.parametrize("name", VARIANCES)
def test_a_parameter_is_filled_as_a_shape_is(name):
    function, arguments = getattr(nn.init, name), VARIANCES[name][0]
    parameter = nn.Parameter(np.zeros(SHAPE))
    assert function(parameter, generator=rg.random.Generator(2), **arguments) is parameter
    drawn = function(SHAPE, generator=rg.random.Generator(2), dtype="float64", **arguments)
    np.testing.assert_array_equal(parameter.numpy(), drawn.numpy())


@pytest.mark.parametrize("shape", [(5, 5), (3, 7), (7, 3), (4, 2, 3), (2, 1)])
def test_orthogonal(shape):
    w = nn.init.orthogonal(shape, gain=2.0, generator=rg.random.Generator(0), dtype="float64").numpy()
    m = w.reshape(shape[0], -1) / 2.0
    product = m @ m.T if m.shape[0] <= m.shape[1] else m.T @ m
    np.testing.assert_allclose(product, np.eye(len(product)), atol=1e-12)


def test_constants():
    assert nn.init.zeros(3).tolist() == [0, 0, 0]
    assert nn.init.ones((1, 2)).tolist() == [[1, 1]]
    assert nn.init.constant((2,), 0.5, dtype="float64").dtype == np.float64
    layer = nn.LayerNorm(3)
    nn.init.constant(layer.weight, 0.1)
    assert (layer.weight.numpy() == np.float32(0.1)).all()


def test_a_window_counts_as_part_of_the_fans():
    assert nn.init.fans((8, 3, 5, 5)) == (75, 200)
    with pytest.raises(ShapeError, match=r"needs a weight \(out, in, ...\), not \(3,\)"):
        nn.init.xavier_uniform((3,))


def test_names_of_authors():
    assert nn.init.he_normal is nn.init.kaiming_normal
    assert nn.init.glorot_uniform is nn.init.xavier_uniform


def test_gains():
    assert nn.init.calculate_gain("relu") == math.sqrt(2)
    assert nn.init.calculate_gain("tanh") == 5 / 3
    assert nn.init.calculate_gain("leaky_relu", 0.2) == pytest.approx(math.sqrt(2 / 1.04))
    with pytest.raises(RetrogradError, match="no gain is known for 'swish'; known are linear"):
        nn.init.calculate_gain("swish")
    with pytest.raises(RetrogradError, match="'fan_in' or 'fan_out', not 'fan'"):
        nn.init.kaiming_uniform((2, 2), mode="fan")


def test_the_same_seed_gives_the_same_network():
    rg.random.manual_seed(5)
    a = nn.Linear(3, 4).state_dict()
    rg.random.manual_seed(5)
    b = nn.Linear(3, 4).state_dict()
    assert all((a[n] == b[n]).all() for n in a)
