"""What comes in is cast once, and what cannot be trained on is refused in one line before training."""

import numpy as np
import pytest

import retrograd as rg
from retrograd.errors import DataError, ShapeError, UnsupportedDtype
from retrograd.train.door import admit, admit_inputs

CE, MSE = rg.nn.cross_entropy, rg.nn.mse_loss


def line(ins=3, outs=2):
    return rg.nn.Linear(ins, outs)


def x_of(rows=5, ins=3, dtype=np.float32):
    return np.linspace(-1, 1, rows * ins).reshape(rows, ins).astype(dtype)


def test_what_fits_comes_in_as_it_is():
    x, y = x_of(), np.array([0, 1, 1, 0, 1])
    rows = admit(line(), CE, x, y)
    assert rows.x is x and rows.y is y and rows.notes == ()


def test_casts_are_said():
    rows = admit(line(3, 1), MSE, x_of(dtype=np.float64), np.zeros((5, 1)))
    assert rows.x.dtype == rows.y.dtype == np.float32
    assert rows.notes == (
        "x is cast from float64 to float32, as the model computes.",
        "y is cast from float64 to float32, as the model computes.",
    )


def test_the_model_decides_the_dtype():
    model = rg.nn.Linear(3, 1, dtype="float64")
    rows = admit(model, MSE, x_of(), np.zeros((5, 1), np.float32))
    assert rows.x.dtype == rows.y.dtype == np.float64


@pytest.mark.parametrize("dtype", ["int8", "uint64", "int32", "bool"])
def test_labels_of_any_integer_kind_are_classes(dtype):
    rows = admit(line(), CE, x_of(), np.array([0, 1, 1, 0, 1], dtype))
    assert rows.y.dtype == np.int64 and rows.notes == ()


def test_integer_inputs_and_amounts_become_floats():
    rows = admit(line(3, 1), MSE, np.ones((5, 3), int), np.ones((5, 1), int))
    assert rows.x.dtype == rows.y.dtype == np.float32


def test_an_embedding_keeps_its_integers():
    model = rg.nn.Sequential(rg.nn.Embedding(4, 3), rg.nn.Flatten(), rg.nn.Linear(6, 2))
    rows = admit(model, CE, np.array([[0, 3], [1, 2]]), np.array([0, 1]))
    assert rows.x.dtype.kind == "i"


def test_lists_tensors_and_frames_are_arrays():
    import pandas as pd

    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5], "c": [1.0, 2.0]})
    for x in (frame, frame.to_numpy().tolist(), rg.tensor(frame.to_numpy())):
        rows = admit(line(), CE, x, pd.Series([0, 1]))
        np.testing.assert_array_equal(rows.x, frame.to_numpy(np.float32))


@pytest.mark.parametrize(
    "x, y, loss, outs, error, message",
    [
        (x_of(), np.zeros(4, int), CE, 2, DataError, "x has 5 rows, y has 4 rows: give one target for each row"),
        (x_of(0), np.zeros(0, int), CE, 2, DataError, "x has no rows: there is nothing to learn from"),
        (x_of(), 3, CE, 2, DataError, "x has 5 rows, y has none: it is a single number"),
        (3.0, np.zeros(5), MSE, 1, DataError, "x is a single number: give an array with a row for each example"),
        (x_of(), np.zeros(5, np.float32), MSE, 1, ShapeError, r"\(4, 1\) and the target \(4,\)"),
        (x_of(), np.zeros((5, 1), np.float32), MSE, 2, ShapeError, r"\(4, 2\) and the target \(4, 1\)"),
        (x_of(), np.array([0, 1, 2, 0, 1]), CE, 2, DataError, "label 2 in row 2, but the model's 2 outputs"),
        (x_of(), np.array([0, 1, 1, -1, 1]), CE, 2, DataError, "label -1 in row 3"),
        (x_of(), np.array([2, 1, 1, 2, 1]), CE, 2, DataError, "stand for 0 to 1; labels start at 0"),
        (x_of(), np.array([3, 1, 1, 2, 1]), CE, 1, DataError, "for regression give floats of shape \\(5, 1\\)"),
        (np.array([["a"]]), np.zeros(1), MSE, 1, UnsupportedDtype, "x holds <U1: encode text as numbers first"),
        (x_of() * 1j, np.zeros(5), MSE, 1, UnsupportedDtype, "x holds complex64: give real numbers"),
        ([[1.0], [1.0, 2.0]], np.zeros(2), MSE, 1, DataError, "x is no array: its rows differ in shape"),
        (x_of(), np.zeros((5, 2), np.float32), lambda p, y: p - y, 2, ShapeError, r"the loss has shape \(4, 2\)"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(x, y, loss, outs, error, message):
    with pytest.raises(error, match=message) as caught:
        admit(line(3, outs), loss, x, y)
    assert "\n" not in str(caught.value)


def test_a_width_that_the_model_does_not_take():
    with pytest.raises(ShapeError, match="4"):
        admit(line(3), CE, x_of(ins=4), np.zeros(5, int))


def test_ignored_labels_are_the_losses_business():
    def loss(outputs, y):
        return rg.nn.cross_entropy(outputs, y, ignore_index=-100)

    assert admit(line(), loss, x_of(), np.array([0, 1, -100, 0, 1])).y.min() == -100


def test_a_model_must_give_a_row_for_each_row():
    class Summed(rg.nn.Module):
        def forward(self, x):
            return rg.sum(x)

    with pytest.raises(ShapeError, match="a row must yield a row"):
        admit(Summed(), MSE, x_of(), np.zeros(5))


def test_trying_leaves_no_trace():
    class Counting(rg.nn.Module):
        def __init__(self):
            self.calls = rg.Buffer([0.0])
            self.generator = rg.random.Generator(1)

        def forward(self, x):
            self.calls = self.calls + 1.0
            return x + rg.random.uniform(x.shape, generator=self.generator)

    model = Counting()
    state = model.generator.array.copy()
    admit(model, MSE, x_of(), x_of())
    assert model.calls.numpy() == [0.0] and model.training
    np.testing.assert_array_equal(model.generator.array, state)


def test_a_class_for_every_pixel():
    model = rg.nn.Linear(3, 4)
    x, y = x_of(10).reshape(5, 2, 3), np.zeros((5, 2), int)
    y[3, 1] = 3

    def loss(outputs, labels):
        return rg.nn.cross_entropy(rg.moveaxis(outputs, -1, 1), labels)

    admit(model, loss, x, y)
    y[3, 1] = 9
    with pytest.raises(DataError, match="label 9 in row 3"):
        admit(model, loss, x, y)


def test_inputs_alone():
    array, notes = admit_inputs(line(), [[1, 2, 3]])
    assert array.dtype == np.float32 and notes == ["x is cast from int64 to float32, as the model computes."]
