"""`python -m benchmarks.native_spike`: the loop through the interpreter and through LLVM, in turns."""

from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

import retrograd as rg
from benchmarks.native_spike.program import NativeProgram


def problem(batch: int, inputs: int, outputs: int, steps: int, activation: Any = rg.tanh, lr: float = 1e-3) -> tuple:
    """A jitted loop of gradient steps, its parameters, and a batch."""
    rng = np.random.default_rng(0)
    x = rg.tensor(rng.normal(size=(batch, inputs)).astype("f"))
    w = rg.Parameter((rng.normal(size=(inputs, outputs)) / inputs**0.5).astype("f"))
    b = rg.Parameter(np.zeros(outputs, "f"))

    def step(x: Any) -> Any:
        w.grad = b.grad = None
        loss = rg.sum(activation(rg.matmul(x, w) + b))
        loss.backward()
        w.value = w - lr * w.grad
        b.value = b - lr * b.grad
        return loss

    return rg.jit(lambda x: rg.fori_loop(0, steps, lambda _i, _loss: step(x), rg.tensor(0.0))), w, b, x


def main() -> None:
    """Print microseconds a step, the median of nine turns."""
    for batch, inputs, outputs, steps in ((4, 2, 8, 2000), (64, 64, 100, 200)):
        jitted, _, _, x = problem(batch, inputs, outputs, steps)
        jitted(x)
        start = perf_counter()
        native = NativeProgram(jitted)
        print(f"({batch}, {inputs}) @ ({inputs}, {outputs}): compiled in {perf_counter() - start:.2f} s")
        times: dict[str, list[float]] = {"interpreter": [], "native spike": []}
        for _ in range(9):
            for found, run in zip(times.values(), (jitted, native), strict=True):
                start = perf_counter()
                run(x)
                found.append((perf_counter() - start) / steps * 1e6)
        for name, found in times.items():
            print(f"  {name:<14}{median(found):10.2f} us a step  ({min(found):.2f}-{max(found):.2f})")


if __name__ == "__main__":
    main()
