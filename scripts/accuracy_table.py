"""Write docs/accuracy.md: how far the vector mathematics of the native engine is from the true values.

python scripts/accuracy_table.py                     writes the page; takes some minutes
python scripts/accuracy_table.py --check             fails if a function is missing or a sample exceeds the page
python scripts/accuracy_table.py --exhaustive exp    tries all float32 numbers; prints, writes nothing

A CPU level that this machine lacks is left as the page has it.
"""

from __future__ import annotations

import argparse
import ctypes
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from retrograd.native.llvm.builder import Module, Type
from retrograd.native.llvm.maths import BINARY, BOUND, FUNCTIONS
from retrograd.native.llvm.target import Target
from retrograd.native.runtime import cpu, linker

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "accuracy.md"
TYPES = {"float32": "float", "float64": "double"}
STRIDE = 1021  # of float32 bit patterns tried
CHECKED = 64  # of the numbers tried, one in so many is tried again by --check
BLOCK = 1 << 20


# Code that runs -------------------------------------------------------------------------------------------------------


def target(level: str) -> Target:
    """A machine of a CPU level."""
    return cpu.describe(level, "x86_64", level, dict.fromkeys(cpu.FEATURES[level], True))


@cache
def runnable() -> tuple[str, ...]:
    """The CPU levels that this machine has."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    return tuple(level for level, needs in cpu.FEATURES.items() if all(features.get(need) for need in needs))


def module_text(name: str, dtype: str, level: str, lanes: int) -> str:
    """A loop that applies a function to arrays whose length is a multiple of `lanes`."""
    t, machine = Type(TYPES[dtype], lanes), target(level)
    arguments = [f"x{i}" for i in range(2 if name in BINARY else 1)]
    module = Module()
    f = module.function("run", [*(("ptr", a) for a in arguments), ("ptr", "y"), ("i64", "count")])
    with f.loop("%count", step=max(lanes, 1)) as loop:
        xs = [f.load(t, f.offset(f"%{a}", t.base, loop.index)) for a in arguments]
        f.store(t, FUNCTIONS[name](f, t, machine, *xs), f.offset("%y", t.base, loop.index))
    f.do("ret void")
    return str(module)


def compiled(name: str, dtype: str, level: str, lanes: int | None = None) -> Callable[..., np.ndarray]:
    """The function at a CPU level, on arrays; a register at a time unless `lanes` says otherwise."""
    machine = target(level)
    lanes = machine.lanes(np.dtype(dtype).itemsize) if lanes is None else lanes
    return callable_of(
        module_text(name, dtype, level, lanes), machine, 2 if name in BINARY else 1, dtype, max(lanes, 1)
    )


def callable_of(text: str, machine: Target, arity: int, dtype: str, step: int) -> Callable[..., np.ndarray]:
    """The function `run` of a module, on arrays of any size."""
    code = linker.link(linker.compile_text(text, machine), ["run"])
    entry = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (arity + 1), ctypes.c_int64)(code.address("run"))

    def run(*xs: np.ndarray, owner: Any = code) -> np.ndarray:
        size = xs[0].size
        whole = -(-size // step) * step
        padded = [np.concatenate([x, np.ones(whole - size, dtype)]).astype(dtype) for x in xs]
        y = np.empty(whole, dtype)
        entry(*[a.ctypes.data for a in padded], y.ctypes.data, whole)
        return y[:size]

    return run


# True values ----------------------------------------------------------------------------------------------------------


def erf(x: np.ndarray) -> np.ndarray:
    """By the series ``2 x exp(-x**2) / sqrt(pi) sum((2 x**2)**n / (1 3 5 ... (2n + 1)))``, all of whose terms add."""
    from scipy.special import erf as double_erf

    if x.dtype == np.float64:
        return double_erf(x)
    a = np.where(np.isnan(x), x, np.minimum(np.abs(x), 7))
    term = total = np.ones_like(a)
    for n in range(1, 200):
        term = term * (2 * a * a / (2 * n + 1))
        total = total + term
    root_pi = np.sqrt(np.longdouble(4) * np.arctan(np.longdouble(1)))
    return np.copysign(2 * a * np.exp(-a * a) / root_pi * total, x)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """The logistic function."""
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


TRUE: dict[str, Callable[..., np.ndarray]] = {
    "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log": np.log, "log2": np.log2, "log1p": np.log1p,
    "softplus": lambda x: np.logaddexp(x, np.zeros_like(x)), "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "sigmoid": sigmoid, "erf": erf,
    "power": np.power, "sqrt": np.sqrt, "rsqrt": lambda x: 1 / np.sqrt(x), "fmod": np.fmod, "remainder": np.remainder,
    "floor_divide": np.floor_divide, "maximum": np.maximum, "minimum": np.minimum,
}  # fmt: skip


def true(name: str, *xs: np.ndarray) -> np.ndarray:
    """In more precision than the arguments have: float64 for float32, the long double of x86 for float64."""
    wide = np.float64 if xs[0].dtype == np.float32 else np.longdouble
    with np.errstate(all="ignore"):
        return TRUE[name](*(x.astype(wide) for x in xs))


def ulps(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Errors in units in the last place of the true value; infinity where NaN, infinity or zero is wrong."""
    dtype = found.dtype.type
    with np.errstate(all="ignore"):
        rounded = wanted.astype(dtype)
        finite = np.isfinite(rounded) & np.isfinite(found)
        below = np.abs(np.where(finite, rounded, 1))
        size = np.abs(np.where(finite, wanted, 1))
        below = np.where(below > size, np.nextafter(below, dtype(0)), below)  # no true value counts in a larger unit
        error = np.abs(found - wanted) / np.spacing(below)
        same = (found == rounded) | (np.isnan(found) & np.isnan(rounded))
    return np.where(finite, error, np.where(same, 0, np.inf)).astype(np.float64)


# Arguments ------------------------------------------------------------------------------------------------------------


def special(dtype: str) -> np.ndarray:
    """Zeros, ones, infinities, NaN, denormals, the largest numbers."""
    info = np.finfo(dtype)
    ends = [float(v) for v in (info.tiny, info.smallest_subnormal, info.max)]
    some = [0.0, 1.0, np.inf, *ends, 0.5, 2.0, 3.0, 2.5]
    return np.array([np.nan, *some, *[-v for v in some]], dtype)


def arguments(name: str, dtype: str, thin: int = 1) -> Iterator[tuple[np.ndarray, ...]]:
    """All that is tried, in blocks; one in `thin` of it."""
    rng = np.random.default_rng(0)
    if name in BINARY:
        xs = np.meshgrid(special(dtype), special(dtype))
        yield tuple(x.ravel() for x in xs)
        yield tuple(x[::thin] for x in pairs(dtype, rng))
        return
    yield (special(dtype),)
    if dtype == "float32":
        for start in range(0, 2**32, BLOCK * STRIDE):
            bits = np.arange(start, min(start + BLOCK * STRIDE, 2**32), STRIDE, dtype=np.uint64)[::thin]
            yield (bits.astype(np.uint32).view(np.float32),)
        count = 2**20
    else:
        count = 2**18
        yield (rng.integers(0, 2**64, count, dtype=np.uint64).view(np.float64)[::thin],)
    for low, high in ((-1, 1), (-4, 4), (-20, 20), (-110, 110), (-750, 750), (-1e6, 1e6)):
        yield (rng.uniform(low, high, count // 4).astype(dtype)[::thin],)
    quarters = np.concatenate([np.arange(1, 2**14), *(rng.integers(1, 2**k, 2**12) for k in (20, 40, 60))])
    yield ((quarters * (np.longdouble(2) * np.arctan(np.longdouble(1)))).astype(dtype)[::thin],)
    near_one = 1 + rng.choice([-1, 1], count // 4) * 2.0 ** rng.uniform(-52, -1, count // 4)
    yield (near_one.astype(dtype)[::thin],)


def pairs(dtype: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Bases and exponents: any bits; powers all over the range; bases near one with huge exponents."""
    count = 2**20 if dtype == "float32" else 2**18
    integer, bits = (np.uint32, 32) if dtype == "float32" else (np.uint64, 64)
    anything = rng.integers(0, 2**bits, (2, count), dtype=integer).view(dtype)
    limit = np.log(np.finfo(dtype).max).astype(np.float64)
    base = 2.0 ** rng.uniform(-140 if bits == 32 else -1060, 127 if bits == 32 else 1020, count)
    exponent = rng.uniform(-1.1, 1.01, count) * limit / np.log(base)
    close = (1 + rng.choice([-1, 1], count) * 2.0 ** rng.uniform(-23 if bits == 32 else -52, -1, count)).astype(dtype)
    with np.errstate(all="ignore"):
        far = rng.uniform(-1.1, 1.01, count) * limit / np.log(close.astype(np.float64))
        whole = rng.integers(-40, 40, count)
        return (
            np.concatenate([anything[0], base, close, -base]).astype(dtype),
            np.concatenate([anything[1], exponent, far, whole]).astype(dtype),
        )


# The page -------------------------------------------------------------------------------------------------------------


@dataclass
class Measured:
    """Of one function, type and CPU level."""

    worst: float = 0.0
    where: tuple[float, ...] = ()
    tried: int = 0
    rounded: int = 0  # correctly
    within_one: int = 0

    def add(self, xs: tuple[np.ndarray, ...], errors: np.ndarray) -> None:
        """More results."""
        self.tried += errors.size
        self.rounded += int((errors <= 0.5).sum())
        self.within_one += int((errors <= 1).sum())
        place = int(np.argmax(errors))
        if errors[place] > self.worst:
            self.worst, self.where = float(errors[place]), tuple(float(x[place]) for x in xs)


def measure(name: str, dtype: str, level: str, thin: int = 1) -> Measured:
    """Try a function."""
    run, result = compiled(name, dtype, level), Measured()
    for xs in arguments(name, dtype, thin):
        result.add(xs, ulps(run(*xs), true(name, *xs)))
    return result


def exhaust(name: str, level: str) -> Measured:
    """All float32 numbers."""
    run, result = compiled(name, "float32", level), Measured()
    for start in range(0, 2**32, BLOCK):
        x = np.arange(start, start + BLOCK, dtype=np.uint64).astype(np.uint32).view(np.float32)
        result.add((x,), ulps(run(x), true(name, x)))
    return result


def row(name: str, dtype: str, level: str, m: Measured) -> str:
    """A line of the table. The worst error is rounded up."""
    where = ", ".join(f"{v:.9g}" if dtype == "float32" else repr(v) for v in m.where) or "none"
    worst = np.ceil(m.worst * 1000) / 1000
    rounded, within = (f"{np.floor(1e4 * n / m.tried) / 100:.2f} %" for n in (m.rounded, m.within_one))
    return f"| `{name}` | {dtype} | {level[-2:]} | {worst:.3f} | {rounded} | {within} | {m.tried:,} | {where} |"


HEADER = "| function | type | level | worst | correctly rounded | within 1 | tried | worst argument |"
INTRODUCTION = f"""# Accuracy of the vector mathematics

<!-- generated by scripts/accuracy_table.py; do not edit -->

Errors are in units in the last place (ulp) of the true value; half a unit is a correctly rounded result. The true
values are NumPy's in float64 for float32, and in the 80-bit long double of x86 for float64. No function is off by more
than 2 units, in any of the numbers tried:

- float32: one in {STRIDE} of all bit patterns, so every exponent, denormals included, and two million in the ranges
  where the functions do their work, multiples of pi/2 and the neighbourhood of 1 among them;
- float64: random bit patterns, and the same ranges;
- `power`: any two bit patterns, powers all over the range of results, bases near 1 with huge exponents, whole
  exponents of negative bases.

Special values are exact everywhere: NaN, infinities, zeros with their sign, results that overflow or underflow;
denormal arguments and results count like all others. `sin`, `cos` and `tan` hold for the largest arguments. `power` has
NumPy's special values (C's `pow`). `maximum` and `minimum` keep NaN and take +0 for greater than -0. The square root of
IEEE 754 is exact, and so is `fmod`; `remainder` rounds once. `floor_divide` takes NumPy's steps and gives its bits.

v2, v3 and v4 are the CPU levels of x86-64: v2 has no fused multiply-add. v4 rounds as v3 does, operation by operation:
its results are those of v3 bit for bit, which `tests/unit/native/test_maths.py` holds. The bounds that the tests hold
are `BOUND` in `retrograd.native.llvm.maths`.

"""
ROW = re.compile(r"\| `(\w+)` \| (float\d\d) \| (v\d) \| ([\d.]+) \|")


def entries() -> Iterator[tuple[str, str, str]]:
    """What the page lists."""
    for name in FUNCTIONS:
        for dtype in TYPES:
            for level in ("x86-64-v2", "x86-64-v3"):
                yield name, dtype, level


def page(old: str) -> str:
    """The page, with the old lines where this machine cannot run the level."""
    kept = {match.groups()[:3]: line for line in old.splitlines() if (match := ROW.match(line))}
    lines = []
    for name, dtype, level in entries():
        if level in runnable():
            lines.append(row(name, dtype, level, measure(name, dtype, level)))
            print(lines[-1], flush=True)
        elif line := kept.get((name, dtype, level[-2:])):
            lines.append(line)
    return "\n".join([INTRODUCTION + HEADER, "| --- | --- | --- | --: | --: | --: | --: | --- |", *lines]) + "\n"


def problems(text: str) -> Iterator[str]:
    """What is wrong with the page."""
    if not text.startswith(INTRODUCTION):
        yield "the introduction is out of date"
    printed = {match.groups()[:3]: float(match[4]) for line in text.splitlines() if (match := ROW.match(line))}
    if list(printed) != [(name, dtype, level[-2:]) for name, dtype, level in entries()]:
        yield "the functions are not those of retrograd.native.llvm.maths"
        return
    for name, dtype, level in entries():
        worst = printed[name, dtype, level[-2:]]
        if worst > BOUND[name]:
            yield f"{name}, {dtype}, {level}: the page has {worst}, above the bound of {BOUND[name]}"
        if level in runnable() and (m := measure(name, dtype, level, CHECKED)).worst > worst:
            yield f"{name}, {dtype}, {level}: {m.worst} at {m.where}, the page has {worst}"


def main() -> int:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is out of date")
    parser.add_argument("--exhaustive", nargs="+", metavar="NAME", help="try all float32 numbers on some functions")
    options = parser.parse_args()
    old = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if options.exhaustive:
        for name in options.exhaustive:
            for level in runnable()[-1:]:
                print(row(name, "float32", level, exhaust(name, level)), flush=True)
        return 0
    if options.check:
        wrong = list(problems(old))
        for line in wrong:
            print(f"docs/accuracy.md: {line}", file=sys.stderr)
        return 1 if wrong else 0
    PAGE.write_text(page(old), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
