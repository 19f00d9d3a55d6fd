"""Training and validation error, early stopping, and weight decay.

    python -m examples.early_stopping

Thirty tanh units learn twelve noisy points of a sine. The error on those points falls at every step; that on forty
others falls, has its minimum early on, and rises while the net learns the noise. Early stopping keeps the weights of
the minimum; weight decay keeps the curve smooth instead, and does better still.

Mitchell, *Machine Learning* (1997), section 4.6.5 and figure 4.9.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import retrograd as rg
from retrograd import nn
from retrograd.train import History, Trainer
from retrograd.train.callbacks import EarlyStopping


def points() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Inputs and targets: 12 rows to learn, 40 to validate."""
    draw = np.random.RandomState(1)
    x, x_validation = np.linspace(-3, 3, 12)[:, None], np.linspace(-2.9, 2.9, 40)[:, None]
    t = np.sin(x) + 0.4 * draw.randn(12, 1)
    return x, t, x_validation, np.sin(x_validation) + 0.4 * draw.randn(40, 1)


def network() -> nn.Sequential:
    """1-30-1, tanh, a linear output, float64."""
    draw = np.random.RandomState(0)
    model = nn.Sequential(nn.Linear(1, 30, dtype="float64"), nn.Tanh(), nn.Linear(30, 1, dtype="float64"))
    model[0].weight = 3 * draw.randn(30, 1)
    model[0].bias = 3 * draw.randn(30)
    model[2].weight = 0.1 * draw.randn(1, 30)
    model[2].bias = np.zeros(1)
    return model


def half_mse(output: Any, target: Any) -> Any:
    """Half the mean squared error."""
    return 0.5 * nn.mse_loss(output, target)


def train(*, steps: int = 5000, patience: int | None = None, decay: float = 0.0) -> tuple[History, nn.Sequential]:
    """Gradient descent on all rows at once, so that an epoch is a step.

    Args:
        steps: at most so many updates.
        patience: stop after so many without a new minimum of the validation error, and go back to that.
        decay: an L2 penalty of half this on the squares of the weights, not of the biases.
    """
    x, t, x_validation, t_validation = points()
    model = network()
    weights = [model[0].weight, model[2].weight]

    def loss(output: Any, target: Any) -> Any:
        penalty = 0.5 * decay * sum(rg.sum(w**2) for w in weights) if decay else 0.0
        return half_mse(output, target) + penalty

    trainer = Trainer(
        model,
        loss,
        rg.optim.SGD(model, lr=0.05),
        metrics=[half_mse],
        callbacks=[EarlyStopping(patience=patience)] if patience else [],
    )
    validation = x_validation, t_validation
    history = trainer.fit(x, t, epochs=steps, batch_size=12, validation=validation, progress=False)
    return history, model


def main() -> None:
    """Print the two curves' ends and minima."""
    history, _ = train()
    curve = history["val_loss"]
    best = int(np.argmin(curve))
    print(f"training {history['loss'][0]:.6f} -> {history['loss'][-1]:.6f}")
    print(f"validation: least {curve[best]:.6f} after {best + 1} steps, ends at {curve[-1]:.6f}")
    stopped, _ = train(patience=200)
    print(f"patience 200: stops after {len(stopped['loss'])} steps")
    history, model = train(decay=0.03)
    squares = sum(float((w.numpy() ** 2).sum()) for w in (model[0].weight, model[2].weight))
    print(f"weight decay: validation {history['val_half_mse'][-1]:.6f}, sum of squares {squares:.3f}")


if __name__ == "__main__":
    main()
