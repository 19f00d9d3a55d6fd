"""A history is a dict of lists that survives JSON bit for bit."""

import json
import math

import pytest

from retrograd.errors import ModelError
from retrograd.train import History


def sample():
    history = History()
    history.append({"loss": 0.1 + 0.2, "val_loss": math.inf})
    history.append({"loss": 1e-300, "val_loss": -0.0})
    history.best_epoch, history.stopped = 2, "because"
    return history


def test_it_is_a_mapping():
    history = sample()
    assert list(history) == ["loss", "val_loss"] and len(history) == 2
    assert history["loss"] == [0.1 + 0.2, 1e-300]
    assert history.epochs == 2
    assert history.at(1) == {"loss": 0.1 + 0.2, "val_loss": math.inf}
    assert repr(history) == "History(2 epochs, best epoch 2: loss 1e-300, val_loss -0)"
    assert repr(History()) == "History(0 epochs)"


def test_errors_name_what_there_is():
    with pytest.raises(KeyError, match="loss, val_loss"):
        sample()["acuracy"]
    with pytest.raises(KeyError, match="no epoch yet"):
        History()["loss"]
    with pytest.raises(IndexError, match="the history has 2"):
        sample().at(3)
    with pytest.raises(KeyError):
        sample().append({"loss": 1.0})


def test_it_survives_json():
    history = sample()
    history.append({"loss": math.nan, "val_loss": 1.0})
    text = json.dumps(history.to_json(), allow_nan=False)
    again = History.from_json(json.loads(text))
    assert again == history
    assert math.isnan(again["loss"][2])
    assert math.copysign(1, again["val_loss"][1]) == -1
    assert again != sample()
    assert history != "text"


WELL = {"epochs": {"loss": [1.0]}, "best_epoch": None, "stopped": None, "interrupted": False}


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": None},
        {"epochs": {"loss": 1.0}},
        {"epochs": {"loss": [1.0], "val": []}},
        {"epochs": {"loss": ["one"]}},
        {"epochs": {"loss": [None]}},
        {"epochs": {"loss": [10**400]}},
        {"epochs": {"loss": [True]}},
        {"best_epoch": 0},
        {"best_epoch": True},
        {"stopped": 3},
        {"interrupted": 1},
        {"more": 1},
    ],
)
def test_what_is_no_history_is_refused(change):
    assert History.from_json(WELL)["loss"] == [1.0]
    with pytest.raises(ModelError, match="damaged"):
        History.from_json(WELL | change)
    with pytest.raises(ModelError):
        History.from_json(None)
