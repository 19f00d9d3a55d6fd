"""Networks become records and come back; what is no network is refused before memory is taken."""

import json

import numpy as np
import pytest

import retrograd as rg
from retrograd.errors import ModelError
from retrograd.train.architecture import LAYERS, build, describe, widths


def sample(dtype="float32"):
    return rg.nn.Sequential(
        rg.nn.Linear(4, 3, dtype=dtype),
        rg.nn.LeakyReLU(0.25),
        rg.nn.Dropout(0.0),
        rg.nn.Linear(3, 5, bias=False, dtype=dtype),
        rg.nn.GELU("tanh"),
        rg.nn.Softplus(2.0),
        rg.nn.Linear(5, 2, dtype=dtype),
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_network_comes_back(dtype):
    model = sample(dtype).eval()
    records = json.loads(json.dumps(describe(model)))
    again = build(records, model.state_dict())
    x = np.linspace(-1, 1, 12).reshape(3, 4).astype(dtype)
    np.testing.assert_array_equal(again(rg.tensor(x)).numpy(), model(rg.tensor(x)).numpy())
    assert repr(again) == repr(model) and not again.training
    assert widths(records) == (4, 2)


def test_every_layer_that_can_be_named_can_be_described():
    made = {name: make(2, 2) if name == "Linear" else make() for name, (make, _) in LAYERS.items()}
    model = rg.nn.Sequential(*made.values())
    assert [record["layer"] for record in describe(model)] == list(LAYERS)
    build(json.loads(json.dumps(describe(model))), model.state_dict())


def test_building_draws_nothing_from_the_default_generator():
    before = rg.random.default_generator.array.copy()
    model = sample()
    after = rg.random.default_generator.array.copy()
    build(describe(model), model.state_dict())
    np.testing.assert_array_equal(rg.random.default_generator.array, after)
    assert not np.array_equal(before, after)


def test_what_cannot_be_described():
    with pytest.raises(ModelError, match="a Linear cannot be described in a model file: give a Sequential"):
        describe(rg.nn.Linear(1, 1))

    class Mine(rg.nn.Module):
        pass

    with pytest.raises(ModelError, match="a Mine layer cannot be described"):
        describe(rg.nn.Sequential(Mine()))


LINEAR = {"layer": "Linear", "in_features": 2, "out_features": 3, "bias": True}
WEIGHTS = {"0.weight": np.zeros((3, 2), np.float32), "0.bias": np.zeros(3, np.float32)}


@pytest.mark.parametrize(
    "records, message",
    [
        (None, "lists no layers"),
        ([], "lists no layers"),
        ({"0": LINEAR}, "lists no layers"),
        ([None], "layer 0 has no name"),
        ([{"layer": 3}], "layer 0 has no name"),
        ([{"layer": ["Linear"]}], "layer 0 has no name"),
        ([{"layer": "os.system"}], "layer 0 of the model file is 'os.system'; known are Linear, Dropout"),
        ([{"layer": "Linear"}], r"layer 0 \(Linear\) needs in_features, out_features, bias"),
        ([LINEAR | {"dtype": "float16"}], "needs in_features, out_features, bias"),
        ([LINEAR | {"in_features": 2.0}], r"in_features of layer 0 \(Linear\) makes no sense"),
        ([LINEAR | {"in_features": True}], "in_features"),
        ([LINEAR | {"out_features": -1}], "out_features"),
        ([LINEAR | {"bias": 1}], "bias"),
        ([LINEAR, {"layer": "Dropout", "p": 1.5}], r"p of layer 1 \(Dropout\)"),
        ([LINEAR, {"layer": "Dropout", "p": "0.5"}], "p of layer 1"),
        ([LINEAR, {"layer": "GELU", "approximate": "erf"}], "approximate of layer 1"),
        ([LINEAR, {"layer": "LeakyReLU", "negative_slope": float("nan")}], "negative_slope of layer 1"),
        ([LINEAR | {"in_features": 10**12, "out_features": 10**12}], "'0.weight' has shape"),
        ([LINEAR | {"bias": False}], "'0.bias' has shape"),
        ([LINEAR, LINEAR], "layer 1 takes 2 values, it is given 3"),
        ([{"layer": "Tanh"}], "'0.weight' has shape"),
    ],
)
def test_records_that_are_none(records, message):
    build([LINEAR], WEIGHTS)
    with pytest.raises(ModelError, match=message) as caught:
        build(records, WEIGHTS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"0.weight": np.full((3, 2), np.nan, np.float32)}, "infinite or NaN"),
        ({"0.bias": np.zeros(3)}, "not all float32, or all float64"),
        ({"0.weight": np.zeros((3, 2), np.int32), "0.bias": np.zeros(3, np.int32)}, "not all float32, or all float64"),
        ({"0.weight": np.zeros((2, 3), np.float32)}, "'0.weight' has shape"),
        ({"1.weight": np.zeros((2, 3), np.float32)}, "'1.weight' has shape"),
    ],
)
def test_weights_that_are_not_those_of_the_records(change, message):
    with pytest.raises(ModelError, match=message):
        build([LINEAR], WEIGHTS | change)
