"""NET-A of the specification: 3-4-2, logistic, one example."""

import numpy as np

import retrograd as rg
from examples.fixtures import det
from retrograd import nn

NET_A = {
    "W1": det((4, 3), 0.5, 0), "b1": det((4,), 0.1, 2), "W2": det((2, 4), 0.5, 1), "b2": det((2,), 0.1, 3),
}  # fmt: skip
INPUT, TARGET = np.array([0.5, -0.25, 1.0]), np.array([1.0, 0.0])


def net_a(p, x=INPUT, m1=1.0, m2=1.0):
    hidden = rg.sigmoid(nn.linear(x, p["W1"] * m1, p["b1"]))
    return rg.sigmoid(nn.linear(hidden, p["W2"] * m2, p["b2"]))


def error(p, x=INPUT, **masks):
    return 0.5 * rg.sum((net_a(p, x, **masks) - TARGET) ** 2)
