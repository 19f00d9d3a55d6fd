"""The digits step, its loop and a recurrent net as loop programs, kept as files.

``python -m tests.unit.native.loops.test_golden`` writes the golden files anew.
"""

from pathlib import Path

import numpy as np
import pytest

import retrograd as rg
from retrograd.native.loops.text import print_loops
from tests.unit.native.lower.test_memory import planned
from tests.unit.passes.test_pipeline import PROGRAMS, graph_of

GOLDEN = Path(__file__).parents[3] / "golden" / "native"


def momentum_loop():
    """A loop over steps: what is carried is overwritten in place."""
    w, v = rg.Parameter(np.zeros((8, 3), "f")), rg.Buffer(np.zeros((8, 3), "f"))

    def step(i, x):
        w.grad = None
        loss = rg.mean(rg.tanh(x @ w) ** 2)
        loss.backward()
        v.value = 0.9 * v + w.grad
        w.value = w - 0.01 * v
        return x

    run = rg.jit(lambda x: rg.fori_loop(0, 100, step, x))
    run(np.ones((4, 8), "f"))
    return run.graph


NAMES = [*PROGRAMS, "momentum_loop"]


def shown(name):
    """The memory, and the statements."""
    return print_loops(planned(momentum_loop() if name == "momentum_loop" else graph_of(name))) + "\n"


@pytest.mark.parametrize("name", NAMES)
def test_golden(name):
    assert shown(name) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


if __name__ == "__main__":
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for program in NAMES:
        (GOLDEN / f"{program}.txt").write_text(shown(program), encoding="utf-8")
