"""Saves one model over another until it is killed: `python program_save.py FOLDER`."""

import sys

import numpy as np
import pandas as pd

from retrograd.data import Table, prepare
from retrograd.train.tabular import Settings, train_table


def trained(seed):
    """A model of about 60,000 parameters; its record has the seed."""
    frame = pd.DataFrame({"a": np.arange(40.0) % 7, "b": np.arange(40.0) % 5, "y": ["p", "q"] * 20})
    settings = Settings(epochs=1, seed=seed, hidden=(200, 300))
    return train_table(prepare(Table(frame, "y", "t")), settings, source="t", progress=False).model


if __name__ == "__main__":
    models = [trained(0), trained(1)]
    print("ready", flush=True)  # noqa: T201 - tells the test that saving begins
    while True:
        for model in models:
            model.save(sys.argv[1], replace=True)
