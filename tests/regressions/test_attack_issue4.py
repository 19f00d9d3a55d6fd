"""What hostile use found in sorting, rounding, running sums, diagnostics and pictures: wrong, or an unusable error."""

from types import SimpleNamespace

import numpy as np
import pytest

import retrograd as rg
from retrograd import learning, nn, plots, train
from retrograd.errors import DTypeError, NonFiniteError, RetrogradError, ShapeError, UnsupportedDtype

X = np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize("name", ["sum", "prod", "cumsum", "cumprod"])
@pytest.mark.parametrize("dtype", ["uint8", "uint32"])
def test_sums_of_unsigned_integers_do_not_wrap(name, dtype):
    x = np.array([[200, 100, 3], [2, 250, 7]], dtype)
    wanted = getattr(np, name)(x)
    for f in (getattr(rg, name), rg.jit(getattr(rg, name)), lambda x: getattr(np, name)(rg.asarray(x))):
        np.testing.assert_array_equal(np.asarray(f(x)), wanted, strict=True)


@pytest.mark.parametrize("f", [rg.argmin, rg.argmax, rg.cumsum, rg.cumprod, rg.sort, rg.argsort, rg.softmax])
@pytest.mark.parametrize("axis", [(0, 1), ()])
def test_what_goes_along_one_axis_says_so(f, axis):
    """argmin over two axes once was that over the first."""
    with pytest.raises(ValueError, match=rf"{f.__name__} goes along one axis, got axis=\("):
        f(X, axis=axis)


@pytest.mark.parametrize("f", [rg.min, rg.prod, rg.any, rg.argmin, rg.cumsum, rg.sort, rg.flip, rg.expand_dims])
@pytest.mark.parametrize("axis", ["0", 1.0, (0, 0.5)])
def test_an_axis_is_an_integer(f, axis):
    with pytest.raises(TypeError, match=f"{f.__name__}: axis must be an integer, got"):
        f(X, axis=axis)


def test_counts_are_never_cut_off():
    with pytest.raises(TypeError, match=r"top_k: k must be an integer, got 1\.5"):
        rg.top_k(X, 1.5)
    with pytest.raises(TypeError, match=r"roll: shift must be an integer, got 1\.5"):
        rg.roll(X, (1.5,), axis=0)
    with pytest.raises(TypeError, match="roll: shift must be an integer, got 'a'"):
        rg.roll(X, "a")
    with pytest.raises(TypeError, match=r"round: decimals must be an integer, got 1\.5"):
        rg.round(X, 1.5)
    with pytest.raises(ValueError, match="round: decimals = 400; it must be from -308 to 308"):
        rg.round(X, 400)
    np.testing.assert_array_equal(rg.top_k(X, np.int8(2)).indices, [[2, 1], [2, 1]])
    np.testing.assert_array_equal(rg.roll(X, np.array([1, 2]), axis=range(2)), np.roll(X, (1, 2), (0, 1)))


def test_booleans_are_not_rounded_to_decimals_either():
    with pytest.raises(DTypeError, match="round has no meaning for bool"):
        rg.round(X > 2, 1)


@pytest.mark.parametrize("f", [rg.sum, rg.prod, rg.cumsum])
@pytest.mark.parametrize("dtype", ["complex64", str, "float16"])
def test_the_dtype_of_a_sum_is_one_of_ours(f, dtype):
    with pytest.raises(UnsupportedDtype, match="is not supported"):
        f(X, dtype=dtype)


def test_an_axis_in_a_tuple_and_the_sum_of_nothing():
    wanted = np.cumulative_sum(X, axis=0, include_initial=True)
    np.testing.assert_array_equal(rg.cumulative_sum(X, axis=(0,), include_initial=True), wanted)


# learning -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "f",
    [
        rg.jit(lambda x, w: rg.sum(x @ w)),
        lambda x, w: rg.sum(rg.scan(lambda c, _: (c @ w, None), x, length=3)[0]),
        lambda x, w: rg.cond(x[0, 0] > 0, lambda a: rg.sum(a @ w), rg.sum, x),
    ],
)
def test_products_that_the_tape_hides_are_not_counted_as_none(f):
    recording = learning.record(f, np.ones((3, 3)), np.ones((3, 3)))
    with pytest.raises(RetrogradError, match="is not on the tape, so its products cannot be counted"):
        learning.multiply_adds(recording)


def test_paths_from_an_argument_that_is_not_there():
    recording = learning.record(lambda x, y: x * y, 2.0, 3.0)
    assert learning.path_sum(recording, -1) == 2.0
    with pytest.raises(RetrogradError, match=r"was recorded with 2 arguments, 0 to 1; argument=5"):
        learning.path_sum(recording, 5)


def test_estimates_of_what_is_no_number_or_without_a_step():
    with pytest.raises(ShapeError, match=r"the loss has shape \(2,\): reduce it"):
        learning.one_sided_differences(lambda w: w * w, np.ones(2))
    for epsilon in (0.0, -1.0, float("nan")):
        with pytest.raises(RetrogradError, match="epsilon is a step"):
            learning.simultaneous_perturbation(lambda w: w @ w, np.ones(2), epsilon=epsilon)


def test_a_closure_takes_the_float64_vectors_of_scipy():
    line = nn.Linear(2, 1)
    f = nn.closure(line, lambda x: rg.sum(line(x) ** 2), rg.ones((1, 2)))
    loss, gradient = f(np.array([1.0, 2.0, 3.0]))
    assert (float(loss), gradient.dtype) == (36.0, np.float64)
    np.testing.assert_array_equal(gradient, [12.0, 12.0, 12.0])


# diagnostics ----------------------------------------------------------------------------------------------------------


class Odd(nn.Module):
    """Hands its layers what is no array, and an array by name."""

    class Gate(nn.Module):
        def forward(self, how, x):
            return x if how is None else rg.relu(x)

    def __init__(self):
        self.first, self.gate, self.tanh = nn.Linear(3, 2), Odd.Gate(), nn.Tanh()

    def forward(self, x):
        return self.tanh(input=self.gate("relu", self.gate(None, self.first(x))))


class Jitted(nn.Module):
    def __init__(self):
        self.line = nn.Linear(3, 2)

    def forward(self, x):
        return rg.jit(self.line)(x)


ROWS, TARGETS = np.ones((4, 3), "float32"), np.zeros((4, 2), "float32")


def test_health_of_layers_with_arguments_that_are_no_arrays():
    found = train.health(Odd(), nn.mse_loss, ROWS, TARGETS)
    assert [layer.name for layer in found.layers] == ["first Linear", "gate Gate", "gate Gate", "tanh Tanh"]
    assert found.layers[-1].derivative is None


def test_health_says_that_it_saw_no_layer():
    found = train.health(Jitted(), nn.mse_loss, ROWS, TARGETS)
    assert not found.layers
    assert found.advice == (
        "No layer could be watched: call the layers outside rg.jit, rg.scan and the other loops to see them.",
    )


def test_units_that_see_nan_are_not_called_dead():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    (sentence,) = train.health(model, nn.mse_loss, np.full_like(ROWS, np.nan), TARGETS).advice
    assert "not finite" in sentence


def test_a_loss_that_is_a_python_number_is_one_number():
    found = train.health(nn.Linear(3, 2), lambda o, t: 1.0, ROWS, TARGETS)
    assert (found.loss, found.layers[0].gradient) == (1.0, 0.0)


def test_sensitivity_to_no_rows():
    with pytest.raises(ShapeError, match=r"one or more rows \(n, inputs\), not shape \(0, 3\)"):
        train.sensitivity(nn.Linear(3, 2), ROWS[:0])


@pytest.mark.parametrize("f", [lambda v: rg.sum(v * np.nan), lambda v: rg.sqrt(rg.sum(v * v))])
def test_a_point_without_derivatives_is_no_minimum(f):
    with pytest.raises(NonFiniteError, match="nothing to classify"):
        train.classify_point(f, np.zeros(2))
    with pytest.raises(RetrogradError, match="the point has no numbers"):
        train.classify_point(f, np.zeros(0))


# pictures -------------------------------------------------------------------------------------------------------------


def test_pictures_of_odd_data():
    pytest.importorskip("matplotlib")
    assert plots.curves({"loss": [3.0, 2.0, 1.0], "val_loss": [2.0, 1.0]}).data["epoch"].tolist() == [1, 2, 3]
    assert plots.residuals([1.0, np.inf, 3.0], [1.0, 2.0, 4.0]).svg().startswith("<?xml")
    with pytest.raises(RetrogradError, match=r"confusion: 2 is none of the classes \[0, 1\]"):
        plots.confusion([0, 1, 2], [0, 1, 1], classes=[0, 1])
    with pytest.raises(RetrogradError, match="confusion: there are no rows"):
        plots.confusion([], [])
    with pytest.raises(ShapeError, match=r"not shape \(1, 1\)"):
        plots.surface(rg.sum, points=1)
    with pytest.raises(ShapeError, match=r"not shape \(81, 81, 2\)"):
        plots.surface(lambda v: v)


def test_the_gradient_at_a_layer_that_is_called_twice():
    pytest.importorskip("matplotlib")

    def checkup(*gradients):
        return SimpleNamespace(
            epoch=1, health=SimpleNamespace(layers=[SimpleNamespace(name="line", gradient=g) for g in gradients])
        )

    drawn = plots.gradient_health([checkup(1.0, 2.0)] * 2).data
    assert drawn["line"].tolist() == [1.0, 1.0]
    assert drawn["line (2)"].tolist() == [2.0, 2.0]
    with pytest.raises(RetrogradError, match="every checkup must be of the same layers"):
        plots.gradient_health([checkup(1.0), checkup(1.0, 2.0)])
    assert plots.gradient_health([checkup()]).svg().startswith("<?xml")
