"""Settings, each in one place and each a context: nothing here changes numerics for code that did not ask.

| setting | default | context |
| --- | --- | --- |
| default float dtype | float32 | ``with rg.default_dtype("float64"):`` |
| debug mode (loops run as Python, source lines kept) | off | ``with rg.debug():`` |
| CPU level of native code | the host, or ``RETROGRAD_CPU`` | ``with config.cpu("x86-64-v3"):`` |
| threads of native code | the cores we may use, or ``RETROGRAD_THREADS`` | ``with config.threads(1):`` |
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

import numpy as np

from retrograd.errors import RetrogradError, UnsupportedDtype

_default_float: ContextVar[np.dtype] = ContextVar("default_float", default=np.dtype("float32"))
_draw_float: ContextVar[np.dtype | None] = ContextVar("draw_float", default=None)
_debug: ContextVar[bool] = ContextVar("debug", default=False)
_cpu: ContextVar[str | None] = ContextVar("cpu", default=None)
_threads: ContextVar[int | None] = ContextVar("threads", default=None)

FLOATS = (np.dtype("float32"), np.dtype("float64"))
INTEGERS = tuple(np.dtype(n) for n in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"))
BOOL = np.dtype("bool")
INT = np.dtype("int64")
FLOAT64 = np.dtype("float64")
SUPPORTED = frozenset((BOOL, *INTEGERS, *FLOATS))


T = TypeVar("T")


@contextmanager
def within(variable: ContextVar[T], value: T) -> Iterator[None]:
    """Within the context the variable has this value; an interrupt at any line leaves nothing behind."""
    before = variable.get()
    try:
        variable.set(value)
        yield
    finally:
        variable.set(before)


def default_float() -> np.dtype:
    """The dtype that ints become when a function needs floats."""
    return _default_float.get()


@contextmanager
def default_dtype(dtype: object) -> Iterator[None]:
    """Within the context, integers become `dtype` (float32 or float64) where a function needs floats.

    >>> import retrograd as rg
    >>> with rg.default_dtype("float64"):
    ...     rg.mean(rg.tensor([1, 2])).dtype
    dtype('float64')
    """
    wanted = np.dtype(dtype)  # type: ignore[call-overload]
    if wanted not in FLOATS:
        raise UnsupportedDtype(f"default_dtype({wanted}): choose float32 or float64")
    with within(_default_float, wanted):
        yield


def draw_float() -> np.dtype:
    """The dtype in which random numbers are drawn if none is given: the default float, in float64 replays too."""
    return _draw_float.get() or _default_float.get()


@contextmanager
def widened_defaults() -> Iterator[None]:
    """Within the context the default float is float64, but random numbers are drawn as they were outside."""
    with within(_draw_float, draw_float()), within(_default_float, FLOAT64):
        yield


def debugging() -> bool:
    """Whether ``rg.debug()`` is active."""
    return _debug.get()


@contextmanager
def debug_mode() -> Iterator[None]:
    """The setting alone; `retrograd.debug` is the whole."""
    with within(_debug, True):
        yield


def cpu_level() -> str:
    """What native code is made for: "native", or a level such as "x86-64-v3"."""
    return _cpu.get() or os.environ.get("RETROGRAD_CPU") or "native"


@contextmanager
def cpu(level: str) -> Iterator[None]:
    """Within the context native code is made for another CPU level; an unknown one raises where code is made."""
    with within(_cpu, level):
        yield


def cpu_setting() -> tuple[str | None, int | None]:
    """What `cpu` and `threads` say here, without the environment."""
    return _cpu.get(), _threads.get()


def thread_limit() -> int | None:
    """How many threads native code may use, where somebody said so."""
    wanted = _threads.get()
    if wanted is not None:
        return wanted
    text = os.environ.get("RETROGRAD_THREADS", "").strip()
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise RetrogradError(f"RETROGRAD_THREADS={text}: give a number of threads, 1 or more")
    return int(text)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Within the context native code is split over `count` threads, also where there are fewer cores."""
    if count < 1:
        raise RetrogradError(f"threads({count}): give 1 or more")
    with within(_threads, count):
        yield
