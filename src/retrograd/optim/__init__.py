"""Optimisers: `SGD`, `Adam`. Each is a pure pair `init`, `update`; given parameters first, it updates them in place."""

from retrograd.optim.adam import Adam as Adam
from retrograd.optim.number import Number as Number
from retrograd.optim.optimizer import Optimizer as Optimizer
from retrograd.optim.sgd import SGD as SGD

__all__ = ["SGD", "Adam", "Number", "Optimizer"]
