"""Outputs are those of evaluation mode, and do not depend on what the other rows hold."""

import numpy as np
import pytest

import retrograd as rg
from retrograd.train.forward import BATCH, evaluating, outputs_of


def network(dtype="float32", hidden=48):
    generator = rg.random.Generator(3)
    return rg.nn.Sequential(
        rg.nn.Linear(13, hidden, dtype=dtype, generator=generator),
        rg.nn.Tanh(),
        rg.nn.Dropout(0.5),
        rg.nn.Linear(hidden, 7, dtype=dtype, generator=generator),
    )


@pytest.mark.parametrize("rows", [0, 1, 2, BATCH - 1, BATCH, BATCH + 1, 3 * BATCH + 17])
def test_outputs_are_those_of_evaluation_mode(rows):
    model = network("float64")
    x = np.random.default_rng(0).normal(size=(rows, 13))
    wanted = model.eval()(x).numpy()
    model.train()
    found = outputs_of(model, x)
    assert found.shape == (rows, 7) and found.dtype == np.float64
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    assert model.training and all(layer.training for layer in model)


@pytest.mark.parametrize("hidden", [5, 48, 300])
def test_a_row_does_not_depend_on_the_others(hidden):
    model = network(hidden=hidden)
    x = np.random.default_rng(1).normal(size=(700, 13)).astype(np.float32)
    whole = outputs_of(model, x)
    for rows in (1, 2, 255, 256, 257, 600):
        np.testing.assert_array_equal(outputs_of(model, x[:rows]), whole[:rows])
    np.testing.assert_array_equal(outputs_of(model, x[BATCH:]), whole[BATCH:])
    other = x[::-1].copy()
    other[17] = x[17]
    np.testing.assert_array_equal(outputs_of(model, other)[17], whole[17])


def test_each_module_gets_its_own_mode_back():
    model = network()
    model[2].eval()
    with evaluating(model):
        assert not any(m.training for m in model.modules())
    assert [layer.training for layer in model] == [True, True, False, True]


def test_modes_come_back_after_an_exception():
    model = network()
    with pytest.raises(rg.errors.RetrogradError):
        outputs_of(model, np.zeros((2, 5), np.float32))
    assert model.training


def test_nothing_is_recorded_and_no_draw_is_made():
    model = network()
    before = rg.random.default_generator.array.copy()
    assert isinstance(outputs_of(model, np.zeros((2, 13), np.float32)), np.ndarray)
    np.testing.assert_array_equal(rg.random.default_generator.array, before)
    assert all(p.grad is None for p in model.parameters())
