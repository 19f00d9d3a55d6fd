"""The first call: tracing and compiling the digits step in a fresh process, with an empty cache and with a filled one.

The clock runs from after the imports and the making of the data until the first step is done.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.harness import ROOT, Spread
from benchmarks.processes import Effort

TITLE = "First call: trace and compile the step of tanh 64-100-10, batch 64, SGD, in a fresh process"
AIMS = {"retrograd jit, empty cache": 0.25, "retrograd jit, second process": 0.03}
FIRST, SECOND = "empty cache", "second process"


def steppers() -> dict[str, Callable[[], Callable[[], object]]]:
    """By name, what imports a library and prepares all but the compiled step."""
    return {"retrograd jit": retrograd_stepper, "jax.jit": jax_stepper, "torch.compile": torch_stepper}


def network() -> object:
    """Digits."""
    from benchmarks.networks import Network

    return Network((64, 100, 10), 64, steps=1)


def retrograd_stepper() -> Callable[[], object]:
    """The step as the README teaches it."""
    import retrograd as rg
    from benchmarks.train_retrograd import parts, plain_step

    model, loss, optimizer, x, y = parts(network())
    return lambda: rg.jit(plain_step(model, loss, optimizer))(x, y).item()


def jax_stepper() -> Callable[[], object]:
    """The first operation of all starts XLA up, which is not the step's."""
    import jax
    import jax.numpy as jnp

    from benchmarks.train_jax import step_of

    if folder := os.environ.get("BENCHMARK_JAX_CACHE"):
        jax.config.update("jax_compilation_cache_dir", folder)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    arrays, x, y = network().problem()
    step, start = step_of(network())
    params = start([(jnp.asarray(w), jnp.asarray(b)) for w, b in zip(arrays[::2], arrays[1::2], strict=True)])
    x, y = jnp.asarray(x), jnp.asarray(y)
    return lambda: float(jax.jit(step, donate_argnums=(0,))(params, x, y)[1])


def torch_stepper() -> Callable[[], object]:
    """torch.compile of the functional step; its own modules are loaded when it is first used."""
    from benchmarks import train_torch

    return lambda: train_torch.functional(network(), train_torch.compiled).evidence[0]


def seconds(name: str, caches: str | None) -> float:
    """The first call in a fresh process; None: without a cache where the library keeps none by itself."""
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    if caches is not None:
        for variable in ("RETROGRAD_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "BENCHMARK_JAX_CACHE"):
            environment[variable] = str(Path(caches) / variable)
    command = [sys.executable, "-m", "benchmarks.first_call", name]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    answer = json.loads(done.stdout.splitlines()[-1])
    if "absent" in answer:
        raise ImportError(answer["absent"])
    return answer["seconds"]


def pairs_of(names: Mapping[str, object], turns: int) -> tuple[dict[str, list[float]], list[str]]:
    """For each library, in turn, an empty cache and then a process that finds it filled."""
    measured: dict[str, list[float]] = {}
    absent: dict[str, str] = {}
    for turn in range(turns):
        print(f"\rfirst_call: turn {turn + 1} of {turns} ", end="", file=sys.stderr, flush=True)
        for name in names:
            if name in absent:
                continue
            try:
                with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as caches:
                    for which in (FIRST, SECOND):
                        measured.setdefault(f"{name}, {which}", []).append(seconds(name, caches))
                if name == "jax.jit":
                    measured.setdefault("jax.jit, no cache", []).append(seconds(name, None))
            except ImportError as error:
                absent[name] = str(error)
    print(file=sys.stderr)
    return measured, [f"{name}: {why}" for name, why in absent.items()]


def table(measured: Mapping[str, list[float]]) -> list[str]:
    """The table in Markdown: each beside ours with the same cache."""
    lines = ["| | ms | ours / theirs | aim |", "| --- | ---: | ---: | --- |"]
    for label, values in measured.items():
        spread, versus = Spread.of(values), ""
        ours = f"retrograd jit, {SECOND if label.endswith(SECOND) else FIRST}"
        if not label.startswith("retrograd") and ours in measured:
            versus = Spread.of([a / b for a, b in zip(measured[ours], values, strict=False)]).text()
        aim = AIMS.get(label)
        aimed = "" if aim is None else f"{aim * 1e3:g}: {'reached' if spread.middle <= aim else 'missed'}"
        lines.append(f"| {label} | {spread.text(1e3)} | {versus} | {aimed} |")
    return lines


def report(effort: Effort) -> list[str]:
    """The row's table, and who was absent."""
    names = {name: make for name, make in steppers().items() if not (effort.quick and name == "torch.compile")}
    measured, absent = pairs_of(names, effort.sets)
    return [*table(measured), *(["", "Absent: " + "; ".join(absent) + "."] if absent else [])]


def main() -> None:
    """In the fresh process: prepare, then time the first call."""
    try:
        step = steppers()[sys.argv[1]]()
    except ImportError as error:
        print(json.dumps({"absent": str(error)}))
        return
    begin = time.perf_counter()
    step()
    print(json.dumps({"seconds": time.perf_counter() - begin}))


if __name__ == "__main__":
    main()
