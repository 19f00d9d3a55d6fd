"""The digits that the defaults of `retrograd train` reach, seed by seed."""

import statistics

import pytest

from retrograd import data
from retrograd.train.tabular import Settings, train_table


def accuracy(seed):
    prepared = data.prepare(data.load("digits"), seed=seed)
    return train_table(prepared, Settings(seed=seed), source="digits", progress=False).scores["accuracy"]


def test_the_default_run():
    assert accuracy(0) >= 0.97


@pytest.mark.deep
def test_ten_seeds():
    found = [accuracy(seed) for seed in range(10)]
    assert statistics.median(found) >= 0.97
    assert min(found) >= 0.955
