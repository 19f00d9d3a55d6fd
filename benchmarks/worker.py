"""One process of a row: `python -m benchmarks.worker ROW LIBRARY ROUND_SECONDS CPUS`.

It reads orders on stdin, `build N` and `time N` with the number of an entry, and answers each with a line of JSON.
"""

import gc
import importlib
import json
import os
import sys
from pathlib import Path


def resident(name: str) -> float:
    """MiB in memory: now (`VmRSS`) or at most (`VmHWM`)."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith(name):
                return int(line.split()[1]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << (20 if sys.platform == "darwin" else 10))


def prepare(library: str, wide: bool) -> None:
    """Import the library, if it is here, so that what its import takes is not counted as the row's.

    Ours imports LLVM when it first compiles; JAX has its own in jaxlib. Both are imports here.
    """
    try:
        importlib.import_module(library)
        if library == "retrograd":
            for part in ("retrograd.nn", "retrograd.optim", "llvmlite.binding"):
                importlib.import_module(part)
        if library == "torch":
            import torch

            torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        if library == "jax":
            import jax
            import jax.numpy

            jax.config.update("jax_enable_x64", wide)
    except ImportError:
        pass  # the entries say so


def main() -> None:
    """Obey until stdin ends."""
    name, library, round_seconds, processors = sys.argv[1:]
    if processors:
        os.sched_setaffinity(0, [int(cpu) for cpu in processors.split(",")])  # before any library counts them
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is not an answer

    from benchmarks.harness import repeats, seconds_for, warm
    from benchmarks.rows import find

    row = find(name)
    prepare(library, row.wide)
    baseline = resident("VmRSS")
    built, times = {}, {}
    for order in sys.stdin:
        what, number = order.split()
        i = int(number)
        answer: dict[str, object]
        if what == "build":
            try:
                built[i] = row.entries[i].build()
                evidence = [float(number) for number in built[i].evidence]
                answer = {"evidence": evidence, "peak": [resident("VmHWM") - baseline, resident("VmHWM")]}
            except ImportError as error:
                answer = {"absent": str(error)}
            except Exception as error:  # a peer that cannot do it is named; where we cannot, the row fails
                if library == "retrograd":
                    raise
                answer = {"absent": f"{type(error).__name__}: {str(error).strip().splitlines()[0][:120]}"}
        else:
            if not times:
                # A full collection that walks all of PyTorch's modules takes 0.2 s, and would fall on whoever is next.
                gc.collect()
                gc.freeze()
            work = built[i]
            if i not in times:
                times[i] = repeats(work, float(round_seconds))
            warm(work)
            answer = {"seconds": seconds_for(work, times[i]) * work.scale}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
