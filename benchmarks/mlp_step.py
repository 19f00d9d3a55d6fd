"""One SGD step of the tanh network 64-100-10, batch 64, float32: forward, cross-entropy, backward, update."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.contest import BY_HAND, Entry, Row, Work
from benchmarks.numpy_mlp import make_step
from benchmarks.peak import floors

INPUTS, HIDDEN, CLASSES, BATCH, LR = 64, 100, 10, 64, 0.1
# Two products forward; backward, two for the second layer and one for the first, whose input needs no gradient.
FLOP = 2 * BATCH * (2 * INPUTS * HIDDEN + 3 * HIDDEN * CLASSES)

Step = Callable[[], Any]  # takes a step, returns the loss before it


def problem() -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Start weights, by their names in a state_dict, and one batch."""
    rng = np.random.default_rng(0)

    def uniform(fan_in: int, *shape: int) -> np.ndarray:
        bound = fan_in**-0.5
        return rng.uniform(-bound, bound, shape).astype(np.float32)

    state = {
        "0.weight": uniform(INPUTS, HIDDEN, INPUTS),
        "0.bias": uniform(INPUTS, HIDDEN),
        "2.weight": uniform(HIDDEN, CLASSES, HIDDEN),
        "2.bias": uniform(HIDDEN, CLASSES),
    }
    return state, rng.standard_normal((BATCH, INPUTS), dtype=np.float32), rng.integers(0, CLASSES, BATCH)


def retrograd_step() -> Step:
    """The step as the README teaches it."""
    import retrograd as rg
    from retrograd import nn, optim

    state, x, y = problem()
    x, y = rg.tensor(x), rg.tensor(y)
    model = nn.Sequential(nn.Linear(INPUTS, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, CLASSES))
    model.load_state_dict(state)
    optimizer = optim.SGD(model.parameters(), lr=LR)

    def step() -> Any:
        optimizer.zero_grad()
        loss = nn.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def torch_model() -> tuple:
    """The same network in PyTorch, with its batch."""
    import torch

    state, x, y = problem()
    model = torch.nn.Sequential(torch.nn.Linear(INPUTS, HIDDEN), torch.nn.Tanh(), torch.nn.Linear(HIDDEN, CLASSES))
    model.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
    return model, torch.from_numpy(x), torch.from_numpy(y)


def torch_step() -> Step:
    """The step as PyTorch's tutorials teach it."""
    import torch

    model, x, y = torch_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    cross_entropy = torch.nn.functional.cross_entropy

    def step() -> Any:
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def torch_lean_step() -> Step:
    """The fastest eager form we know: no optimiser object, no .grad, one fused update."""
    import torch

    model, x, y = torch_model()
    parameters = list(model.parameters())
    cross_entropy = torch.nn.functional.cross_entropy

    def step() -> Any:
        loss = cross_entropy(model(x), y)
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            torch._foreach_add_(parameters, gradients, alpha=-LR)
        return loss

    return step


def numpy_step() -> Step:
    """By hand."""
    state, x, y = problem()
    return make_step(tuple(state.values()), x, y, LR)


def stepping(build: Callable[[], Step]) -> Work:
    """Work whose evidence is the losses of its first 20 steps."""
    step = build()
    return Work(step, [step().item() for _ in range(20)])


STEPS = (
    (BY_HAND, "numpy", numpy_step),
    ("retrograd eager", "retrograd", retrograd_step),
    ("torch eager", "torch", torch_step),
    ("torch eager, lean", "torch", torch_lean_step),
)
ROWS = {
    "mlp_step": Row(
        "Eager training step: tanh 64-100-10, batch 64, float32, SGD",
        ("us a step", 1e6),
        (
            *(Entry(name, library, partial(stepping, build)) for name, library, build in STEPS),
            *floors(FLOP, 0, what="the products"),
        ),
        tolerance=1e-4,  # of float32 losses
        aims={"torch": 1.0, "NumPy": 1.9},
        flop=FLOP,
    )
}
