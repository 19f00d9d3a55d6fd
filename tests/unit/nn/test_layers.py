"""Layers and their functions: shapes, dtypes, errors. That values agree with PyTorch's is tested in tests/peers."""

import math
import re

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn
from retrograd.errors import DTypeError, RetrogradError, ShapeError

X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)

ACTIVATIONS = [
    nn.Tanh(), nn.Sigmoid(), nn.ReLU(), nn.Softplus(), nn.Softplus(2.0), nn.GELU(), nn.GELU("tanh"), nn.SiLU(),
    nn.LeakyReLU(), nn.Softmax(), nn.LogSoftmax(),
]  # fmt: skip
LAYERS = [
    (lambda dtype: nn.Linear(3, 2, dtype=dtype), (4, 2)),
    (lambda dtype: nn.Linear(3, 2, bias=False, dtype=dtype), (4, 2)),
    (lambda dtype: nn.LayerNorm(3, dtype=dtype), (4, 3)),
    (lambda dtype: nn.LayerNorm(3, bias=False, dtype=dtype), (4, 3)),
    *[
        (lambda _, layer=layer: layer, (4, 3))
        for layer in (
            nn.LayerNorm(3, elementwise_affine=False),
            nn.Identity("anything", at=1),
            nn.Flatten(-1),
            nn.Dropout().eval(),
            *ACTIVATIONS,
        )
    ],
]


@pytest.mark.parametrize("make, shape", LAYERS, ids=lambda v: str(v(None)).split("   ")[0] if callable(v) else "")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layers_keep_the_dtype_and_run_everywhere(make, shape, dtype, check_gradient):
    layer, x = make(dtype), X.astype(dtype)
    y = layer(x)
    assert (y.shape, y.dtype) == (shape, np.dtype(dtype))
    eps = 1e-6 if dtype == "float32" else 1e-14
    np.testing.assert_allclose(rg.jit(lambda v: layer(v))(x).numpy(), y.numpy(), rtol=eps, atol=eps, strict=True)
    np.testing.assert_allclose(rg.vmap(layer)(x).numpy(), y.numpy(), rtol=1e-5, atol=1e-6)
    if dtype == "float64":
        check_gradient(layer, x)


def test_layers_do_not_promote():
    layer = nn.Linear(3, 2)
    message = (
        r"the input is float64 and the parameters are float32 .*give x\.astype\('float32'\), "
        r"or make the layer with dtype='float64'"
    )
    with pytest.raises(DTypeError, match=f"linear: {message}"):
        layer(X.astype(np.float64))
    with pytest.raises(DTypeError, match=f"layer_norm: {message}"):
        nn.LayerNorm(3)(X.astype(np.float64))
    with pytest.raises(DTypeError, match="linear: bias: the input is float64"):
        nn.linear(X, layer.weight, np.zeros(2))


def test_integers_booleans_and_lists_have_no_width_of_their_own():
    layer = nn.Linear(3, 2, dtype="float64")
    expected = layer(np.array([1.0, 0.0, 1.0])).numpy()
    for x in ([1.0, 0.0, 1.0], [1, 0, 1], np.array([1, 0, 1]), np.array([True, False, True])):
        y = layer(x)
        assert y.dtype == np.float64
        np.testing.assert_array_equal(y.numpy(), expected)
    assert layer([0.1, 0.2, 0.3]).numpy() == pytest.approx(layer(np.array([0.1, 0.2, 0.3])).numpy(), abs=1e-15)


def test_linear_takes_any_number_of_leading_axes():
    layer = nn.Linear(3, 2)
    for shape in ((3,), (1, 3), (0, 3), (2, 5, 3)):
        assert layer(rg.zeros(shape)).shape == (*shape[:-1], 2)
        assert nn.linear(rg.zeros(shape), layer.weight).shape == (*shape[:-1], 2)


@pytest.mark.parametrize("shape", [(3, 4), (4, 2), (), (2,)])
def test_linear_names_both_shapes(shape):
    with pytest.raises(ShapeError, match=rf"shape {re.escape(str(shape))} .* \(2, 3\).* must have length 3"):
        nn.Linear(3, 2)(rg.zeros(shape))


def test_linear_refuses_other_shapes_of_bias_and_weight():
    with pytest.raises(ShapeError, match=r"a bias of shape \(3,\) with a weight"):
        nn.linear(X, rg.zeros((2, 3)), rg.zeros(3))
    with pytest.raises(ShapeError, match="counted from 0"):
        nn.Linear(-1, 2)
    assert nn.Linear(0, 2)(rg.zeros((4, 0))).shape == (4, 2)


def test_a_generator_decides_the_draws():
    a, b, c = (nn.Linear(3, 2, generator=rg.random.Generator(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a.weight.numpy(), b.weight.numpy())
    assert (a.weight.numpy() != c.weight.numpy()).any()
    assert len({*a.weight.numpy().ravel(), *a.bias.numpy()}) == 8


def test_flatten():
    x = rg.zeros((2, 3, 4, 5))
    assert nn.Flatten()(x).shape == (2, 60)
    assert nn.Flatten(1, 2)(x).shape == (2, 12, 5)
    assert nn.flatten(x).shape == (120,)
    assert nn.flatten(x, -2).shape == (2, 3, 20)
    assert nn.flatten(rg.zeros(())).shape == (1,)
    assert nn.Flatten()(rg.zeros((7, 0, 2))).shape == (7, 0)
    for start, end in ((2, 1), (4, -1), (0, 4), (-5, -1)):
        with pytest.raises(ShapeError, match=f"flatten from axis {start} to {end} of shape"):
            nn.flatten(x, start, end)


def test_layer_norm_names_both_shapes():
    with pytest.raises(
        ShapeError, match=r"layer_norm over \(4,\): the last axes of the input of shape \(4, 3\) differ"
    ):
        nn.layer_norm(X, 4)
    with pytest.raises(ShapeError, match=r"weight of shape \(4,\), bias of shape \(3,\)"):
        nn.layer_norm(X, 3, rg.ones(4))
    with pytest.raises(ShapeError, match=r"over \(\)"):
        nn.layer_norm(X, ())


def test_embedding_gathers_rows_and_adds_their_gradients():
    layer = nn.Embedding(5, 2)
    rows = layer([[4, 0], [4, 4]])
    assert rows.shape == (2, 2, 2)
    np.testing.assert_array_equal(rows.numpy()[0], layer.weight.numpy()[[4, 0]])
    rows.sum().backward()
    assert layer.weight.grad.tolist() == [[1, 1], [0, 0], [0, 0], [0, 0], [3, 3]]
    assert layer(3).shape == (2,)


@pytest.mark.parametrize("bad", [-1, 5])
def test_embedding_refuses_indices_outside_also_negative_ones(bad):
    layer = nn.Embedding(5, 2)
    with pytest.raises(IndexError, match=f"embedding: index {bad} is outside of 0 to 4"):
        layer(np.array([0, bad]))
    run = rg.jit(lambda i: layer(i))
    run(np.array([0, 4]))
    with pytest.raises(IndexError):
        run(np.array([0, bad]))


def test_embedding_refuses_floats():
    with pytest.raises(DTypeError, match="indices are integers, not float32"):
        nn.Embedding(5, 2)(rg.ones(3))


# Activations ----------------------------------------------------------------------------------------------------------


def test_activations_keep_their_accuracy_far_out():
    x = np.array([-1e4, -800.0, -40.0, 0.0, 40.0, 800.0, 1e4])
    for layer in (nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.Softplus(), nn.Softplus(5.0), nn.LeakyReLU(), nn.Sigmoid()):
        leaf = rg.tensor(x, requires_grad=True)
        y = layer(leaf)
        y.sum().backward()
        assert np.isfinite(y.numpy()).all(), layer
        assert np.isfinite(leaf.grad.numpy()).all(), layer
    assert nn.softplus(rg.tensor(-40.0, dtype="float64")).item() == pytest.approx(math.exp(-40), rel=1e-15)
    assert nn.softmax(rg.tensor([1e4, 0.0])).tolist() == [1, 0]
    assert nn.log_softmax(rg.tensor([1e4, 0.0])).tolist() == [0, -1e4]


def test_slopes_at_the_kinks():
    for layer, slope in ((nn.ReLU(), 0.0), (nn.LeakyReLU(0.25), 0.25)):
        assert rg.grad(lambda x, layer=layer: layer(x))(0.0).item() == slope


def test_settings_of_layers_are_key_to_jit():
    layer = nn.LeakyReLU(0.5)
    run = rg.jit(lambda x: layer(x))
    assert run(rg.tensor(-1.0)).item() == -0.5
    layer.negative_slope = 0.25
    assert run(rg.tensor(-1.0)).item() == -0.25


def test_gelu_knows_two_forms():
    with pytest.raises(RetrogradError, match="'none' or 'tanh', not 'fast'"):
        nn.gelu(X, "fast")


# Dropout --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_zeroes_a_share_p_and_keeps_the_mean(p):
    n = 40_000
    y = nn.dropout(np.ones(n), p, generator=rg.random.Generator(3)).numpy()
    zeros = (y == 0).sum()
    assert abs(zeros - n * p) < 4 * math.sqrt(n * p * (1 - p))
    assert set(y[y != 0]) == {1.0 * (1.0 / (1.0 - p))}


def test_dropout_is_the_identity_in_eval_mode_and_for_p_0():
    x = rg.tensor(X)
    state = rg.random.default_generator.array.copy()
    for y in (nn.Dropout(0.5).eval()(x), nn.dropout(x, 0.5, training=False), nn.dropout(x, 0.0)):
        np.testing.assert_array_equal(y.numpy(), X)
    np.testing.assert_array_equal(rg.random.default_generator.array, state)
    assert not nn.dropout(x, 1.0).numpy().any()


def test_dropout_draws_from_its_generator():
    layer = nn.Dropout(0.5, generator=rg.random.Generator(7))
    first, second = layer(rg.ones(64)).numpy(), layer(rg.ones(64)).numpy()
    assert (first != second).any()
    layer.generator.manual_seed(7)
    np.testing.assert_array_equal(layer(rg.ones(64)).numpy(), first)
    np.testing.assert_array_equal(rg.jit(lambda x: layer(x))(rg.ones(64)).numpy(), second)


def test_dropout_hands_the_gradient_to_what_was_kept():
    x = rg.tensor(X, requires_grad=True)
    y = nn.dropout(x, 0.5, generator=rg.random.Generator(0))
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.where(y.numpy() == 0, 0.0, 2.0))


def test_lanes_of_vmap_drop_different_places():
    y = rg.vmap(lambda x: nn.dropout(x, 0.5))(rg.ones((8, 64))).numpy()
    assert len({tuple(row) for row in y}) == 8


@pytest.mark.parametrize("p", [-0.1, 1.5, float("nan")])
def test_p_is_a_probability(p):
    for make in (nn.Dropout, lambda q: nn.dropout(X, q)):
        with pytest.raises(RetrogradError, match="p is a probability"):
            make(p)
