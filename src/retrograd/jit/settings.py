"""Everything global that a compiled program depends on."""

from __future__ import annotations

import os
from typing import Any

from retrograd.config import cpu_setting, debugging, default_float, draw_float

# What `os.environ` wraps: looking into it takes a tenth of the time, and this is done at every call.
_environment: Any = getattr(os.environ, "_data", None)
_NAMES = tuple(os.environ.encodekey(n) for n in ("RETROGRAD_ENGINE", "RETROGRAD_CPU", "RETROGRAD_THREADS"))


forks = [0]  # how many of this process's ancestors were forked since the first


def settings() -> tuple[Any, ...]:
    """Everything global that a program depends on."""
    get = _environment.get
    engine, cpu, threads = _NAMES
    return default_float(), draw_float(), debugging(), cpu_setting(), get(engine), get(cpu), get(threads), forks[0]
