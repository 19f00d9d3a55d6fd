"""What the host is: its instructions, its caches, and the cores that this process may use.

A *level* names what code is made for: ``native`` is everything the host has, ``x86-64-v2``, ``-v3`` and ``-v4`` are the
levels of the x86-64 ABI, each with fixed features, so that every path can be run on one machine.
"""

from __future__ import annotations

import math
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from retrograd import config
from retrograd.errors import RetrogradError
from retrograd.native.llvm.target import LEVELS, Target

V2 = ("cx16", "popcnt", "sahf", "sse3", "sse4.1", "sse4.2", "ssse3")
V3 = (*V2, "avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "xsave")
V4 = (*V3, "avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl")
FEATURES = {"x86-64-v2": V2, "x86-64-v3": V3, "x86-64-v4": V4}

CACHES = Path("/sys/devices/system/cpu")
CGROUPS = Path("/sys/fs/cgroup")


def current_target() -> Target:
    """The machine that code is made for here: the level and the number of threads that are set."""
    return target_for(config.cpu_level())


def target_for(level: str) -> Target:
    """The host (``native``), or one level of x86-64 on it; raises if the host lacks what the level needs."""
    target = _target_of(level)
    count = thread_count()
    return target if count == target.threads else replace(target, threads=count)


def host_target() -> Target:
    """All that the host has."""
    return target_for("native")


@cache
def _target_of(level: str) -> Target:
    cpu, features = _host_cpu()
    target, sizes = describe(level, machine(), cpu, features), cache_sizes()
    return replace(target, l1=sizes.get("1", target.l1), l2=sizes.get("2", target.l2), l3=sizes.get("3", target.l3))


def machine() -> str:
    """The architecture, by LLVM's name: ``x86_64``, ``aarch64``."""
    name = platform.machine().lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(name, name)


def _host_cpu() -> tuple[str, Mapping[str, bool]]:
    """LLVM's name of the host's CPU, and which features it has."""
    import llvmlite.binding as llvm

    try:
        return llvm.get_host_cpu_name(), llvm.get_host_cpu_features()
    except RuntimeError:  # LLVM does not know how to ask on this system
        return "generic", {}


def describe(level: str, architecture: str, cpu: str, features: Mapping[str, bool]) -> Target:
    """A target, from the name and the features of the host's CPU."""
    if level != "native" and level not in FEATURES:
        raise RetrogradError(f"CPU level {level!r}: choose native, {', '.join(FEATURES)}")
    if architecture != "x86_64":
        if level != "native":
            raise RetrogradError(f"CPU level {level!r} on {architecture}: only native is known there")
        text = ",".join(f"{'+' if on else '-'}{name}" for name, on in sorted(features.items()))
        # Every 64-bit ARM core has 128-bit vectors with a fused multiply-add; on others LLVM makes do.
        registers = 32 if architecture == "aarch64" else 16
        return Target(cpu, text, vector_bytes=16, registers=registers, fma=architecture == "aarch64")
    if level != "native":
        missing = [name for name in FEATURES[level] if not features.get(name)]
        if missing:
            raise RetrogradError(f"CPU level {level!r}: this host ({cpu}) lacks {', '.join(missing)}")
        text = ",".join(f"+{name}" for name in FEATURES[level])
        return _x86(level, text, level)
    text = ",".join(f"{'+' if on else '-'}{name}" for name, on in sorted(features.items()))
    reached = [name for name, needs in FEATURES.items() if all(features.get(need) for need in needs)]
    return _x86(cpu, text, reached[-1] if reached else "x86-64-v2", fma=bool(features.get("fma")))


def _x86(cpu: str, features: str, level: str, fma: bool | None = None) -> Target:
    wide = LEVELS[level] == 64
    if wide:
        features += ",-prefer-256-bit"  # the code generator halves 512-bit vectors on some CPUs otherwise
    return Target(
        cpu,
        features,
        vector_bytes=LEVELS[level],
        registers=32 if wide else 16,
        fma=level != "x86-64-v2" if fma is None else fma,
    )


# Caches ---------------------------------------------------------------------------------------------------------------


def cache_sizes() -> dict[str, int]:
    """Bytes of the data caches of one core by their level, ``"1"`` to ``"3"``, as far as the system tells."""
    sizes = {}
    for folder in sorted((CACHES / f"cpu{min(allowed_cores())}" / "cache").glob("index*")):
        size = _bytes(_line(folder / "size"))
        if size and _line(folder / "type") in ("Data", "Unified"):
            sizes[_line(folder / "level")] = size
    return sizes


def _line(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _bytes(text: str) -> int:
    """``32K`` as a number; 0 if it is none."""
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    digits, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1)
    return int(digits) * unit if digits.isdecimal() else 0


# Threads --------------------------------------------------------------------------------------------------------------


def thread_count() -> int:
    """How many threads a program may use: what is set, otherwise the cores that this process may keep busy."""
    wanted = config.thread_limit()
    return wanted or max(1, min(len(allowed_cores()), _cgroup_limit()))


def allowed_cores() -> set[int]:
    """The cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


@cache
def _cgroup_limit() -> int:
    return cgroup_limit(CGROUPS, _line(Path("/proc/self/cgroup")))


def cgroup_limit(root: Path, groups: str) -> int:
    """How many cores' time the control groups grant, rounded up. `groups` is what /proc/self/cgroup says."""
    limit = math.inf
    for line in groups.splitlines():
        _, controllers, own = [*line.split(":", 2), "", ""][:3]
        for group in (own, *map(str, Path(own).parents)):  # a limit on a group above holds as well
            inside = group.lstrip("/")
            if not controllers:
                limit = min(limit, *(_cores(_line(top / inside / "cpu.max")) for top in (root, root / "unified")))
            elif "cpu" in controllers.split(","):
                folder = root / controllers / inside
                limit = min(limit, _cores(" ".join(_line(folder / f"cpu.cfs_{n}_us") for n in ("quota", "period"))))
    return max(1, math.ceil(limit)) if limit < math.inf else sys.maxsize


def _cores(text: str) -> float:
    """How many, from ``quota period``, microseconds of run time in a period; infinite where there is no limit."""
    quota, period = [*text.split(), "", ""][:2]
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() and int(period) else math.inf
