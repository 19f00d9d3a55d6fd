"""A small problem, and trainers for it that are made alike."""

import numpy as np
import pytest

import retrograd as rg
from retrograd.ops.random import Generator
from retrograd.train import Callback, Trainer, metrics


class Steps(Callback):
    """Remembers the loss of every step."""

    def __init__(self):
        self.losses = []

    def on_step_end(self, run, loss):
        self.losses.append(loss)

    def state_dict(self):
        return {"losses": list(self.losses)}

    def load_state_dict(self, state):
        self.losses = list(state["losses"])


@pytest.fixture
def problem():
    """Three classes in the plane, 90 rows of float32."""
    draw = np.random.RandomState(0)
    y = np.arange(90) % 3
    x = np.stack([np.cos(2.1 * y), np.sin(2.1 * y)], axis=1) + 0.4 * draw.normal(size=(90, 2))
    return x.astype(np.float32), y


@pytest.fixture
def make():
    """A function that makes a trainer, always the same."""

    def trainer(optimizer=None, dropout=0.3, **options):
        generator = Generator(7)
        model = rg.nn.Sequential(
            rg.nn.Linear(2, 8, generator=generator),
            rg.nn.Tanh(),
            rg.nn.Dropout(dropout, generator=Generator(8)),
            rg.nn.Linear(8, 3, generator=generator),
        )
        chosen = (optimizer or (lambda m: rg.optim.Adam(m, lr=0.03)))(model)
        options = {"metrics": [metrics.accuracy]} | options
        return Trainer(model, rg.nn.cross_entropy, chosen, generator=generator, **options)

    return trainer


@pytest.fixture
def steps():
    return Steps


def everything(trainer):
    """All that a run changes, as bytes and numbers that can be compared."""
    arrays = {**{f"model.{k}": v for k, v in trainer.model.state_dict().items()}, **trainer.optimizer.state_dict()}
    arrays["generator"] = trainer.generator.array
    arrays["dropout"] = trainer.model[2].generator.array
    return {name: array.tobytes() for name, array in arrays.items()}, trainer.history.to_json()


@pytest.fixture(name="everything")
def _everything():
    return everything
