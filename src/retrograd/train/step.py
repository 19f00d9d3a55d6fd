"""The one place where a model learns from a minibatch, and the loop that does so many times in one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from retrograd.config import FLOAT64, INT
from retrograd.errors import RetrogradError
from retrograd.ops.arithmetic import astype, isfinite, logical_and, stop_gradient
from retrograd.ops.inputs import face
from retrograd.optim import clip_grad_norm_
from retrograd.transforms.control_flow import while_loop

Step = Callable[[Any, Any], Any]


def make_step(model: Any, loss: Any, optimizer: Any, clip_norm: float | None = None) -> Step:
    """A function of inputs and targets that changes the parameters and returns the loss before the change.

    It begins and ends with `zero_grad`, so that a compiled step need not read or store a gradient that nobody sees.
    """
    check_clip_norm(clip_norm)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        if clip_norm is not None:
            clip_grad_norm_(optimizer.parameters, clip_norm)
        optimizer.step()
        optimizer.zero_grad()
        return value

    return step


def check_clip_norm(clip_norm: float | None) -> None:
    """Refuse a bound that is none, before anything is trained."""
    if clip_norm is not None and not clip_norm > 0:
        raise RetrogradError(f"clip_norm is above 0, not {clip_norm!r}")


def make_loop(step: Step, losses: tuple[int, ...] = ()) -> Callable[..., tuple[Any, Any, Any]]:
    """A function that makes a number of steps, to be compiled; that number is an input, so one program does for all.

    It ends early after a step whose loss is not finite, with everything as that step left it; where there are many
    losses it does not, for others may be.

    Args:
        step: gives a loss.
        losses: the shape of the loss: () for one model, (n,) for the models of a stack.

    Args of the function:
        x, y: all training rows.
        batches: int64 (steps of an epoch, rows of a step), the rows of each step.
        first: int64, the step to begin with.
        count: int64, how many to make.
        total: float64 of the shape of the loss, the sum of the losses so far, each times the rows of its step.

    Returns of the function:
        How many steps were made, the loss of the last one, and the new sum.
    """

    def steps(x: Any, y: Any, batches: Any, first: Any, count: Any, total: Any) -> tuple[Any, Any, Any]:
        size = batches.shape[1]

        def going(state: tuple[Any, Any, Any]) -> Any:
            done, loss, _ = state
            return done < count if losses else logical_and(done < count, isfinite(loss))

        def advance(state: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
            done, _, total = state
            rows = batches[first + done]
            loss = astype(stop_gradient(step(x[rows], y[rows])), FLOAT64)
            return done + 1, loss, total + loss * size

        begin = face(np.asarray(0, INT)), face(np.zeros(losses, FLOAT64)), total
        return while_loop(going, advance, begin)

    return steps
