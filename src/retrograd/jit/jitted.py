"""The public `rg.jit`: which program serves a call, when to trace another, and the report."""

from __future__ import annotations

import inspect
import os
import threading
import warnings
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import update_wrapper
from types import CodeType
from typing import Any
from weakref import WeakValueDictionary

from retrograd.config import debugging, default_float, draw_float
from retrograd.core.box import Box
from retrograd.core.cells import Cell
from retrograd.core.dispatch import Evaluate, Interpreter, current
from retrograd.core.tree import Structure, flatten, unflatten
from retrograd.core.types import ArrayType, type_of
from retrograd.errors import RetrogradError
from retrograd.graph.keys import Identity, argument_key, code_of, is_array, outside_key, value_key
from retrograd.graph.trace import trace
from retrograd.jit.guard import Guard, guard
from retrograd.jit.program import Program
from retrograd.jit.report import Report
from retrograd.jit.settings import forks
from retrograd.native import available
from retrograd.ops.inputs import array_of
from retrograd.transforms.arguments import flat_arrays, name_of
from retrograd.transforms.gradients import NoGrad

RETRACES_BEFORE_WARNING = 8
MOST_PROGRAMS = 128  # kept for one code object

_tables: WeakValueDictionary[Any, Shelf] = WeakValueDictionary()  # code object and options -> programs
_recent: deque[Shelf] = deque(maxlen=64)  # kept although their functions are gone: a lambda in a loop comes again


def _after_fork() -> None:
    """In a child: a thread that is not here may have held locks."""
    forks[0] += 1  # no guard serves any more
    for shelf in list(_tables.values()):
        for program in [p for programs in shelf.programs.values() for p in programs]:
            program.unlock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class RetraceWarning(UserWarning):
    """A jitted function keeps being traced again for the same reason."""


class Shelf:
    """The programs of one code object, shared by the functions that have it; gone some time after the last of them."""

    def __init__(self) -> None:
        self.programs: dict[Key, list[Program]] = {}
        self.lock = threading.RLock()  # one program is added at a time


class Key:
    """The parts of a key, named so that a retrace can be explained."""

    __slots__ = ("_hash", "parts")

    def __init__(self, parts: tuple[tuple[str, Any], ...]) -> None:
        self.parts = parts
        self._hash = hash(parts)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self._hash == other._hash and self.parts == other.parts

    def difference(self, other: Key) -> str:
        """The first part in which the keys differ."""
        theirs = dict(other.parts)
        for name, value in self.parts:
            if name not in theirs:
                return f"{name} is new"
            if theirs[name] != value:
                return f"{name}: {_show(theirs[name])} -> {_show(value)}"
        return "an argument is gone"


def _show(part: Any) -> str:
    if isinstance(part, ArrayType):
        return str(part)
    if isinstance(part, tuple) and len(part) >= 2 and isinstance(part[0], type):
        return repr(part[1])
    if isinstance(part, tuple) and part and isinstance(part[0], ArrayType):
        return f"{part[0]}{', requires_grad' if part[1] else ''}"
    return str(part)


class Jitted:
    """A function that runs as a traced program; made by `jit`."""

    def __init__(self, f: Callable[..., Any], static: Sequence[str]) -> None:
        update_wrapper(self, f)
        self.f = f
        self.static = tuple(static)
        self.name = name_of(f)
        self.reasons: Counter[str] = Counter()
        self.retraces: list[str] = []
        code: CodeType | None = code_of(f)
        self.shelf = Shelf() if code is None else _tables.setdefault((code, self.static), Shelf())
        if self.shelf not in _recent:
            _recent.append(self.shelf)
        self.table, self.lock = self.shelf.programs, self.shelf.lock
        self.last: Program | None = None
        self.guard: Guard | None = None
        if self.static:
            unknown = set(static) - set(inspect.signature(f).parameters)
            if unknown:
                raise RetrogradError(f"jit of {self.name}: static= names {sorted(unknown)}, which are no parameters")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        guarded = self.guard
        if guarded is not None and not kwargs:
            values = guarded.values(args)
            if values is not None:
                return guarded.program.again(guarded.fast, values)
        leaves, structure = self._flatten(args, kwargs)
        places = [i for i, (_, x, fixed) in enumerate(leaves) if not fixed and is_array(x)]
        values = [array_of(leaves[i][1]) for i in places]
        key = self._key(leaves, structure, dict(zip(places, values, strict=True)))
        program = self._find(key)
        if program is None:
            program = self._trace(key, leaves, structure, places, values)
        self.last = program
        found = program(values)
        self.guard = None if kwargs or self.static else guard(self.f, args, program)
        return found

    def _flatten(self, args: Any, kwargs: Any) -> tuple[list[tuple[str, Any, bool]], Structure]:
        """(name, leaf, whether it is static) for every leaf; static arguments are leaves whole."""
        if not self.static:
            flat, structure = flatten((args, kwargs))
            return [(f"argument {i}", x, False) for i, x in enumerate(flat)], structure
        bound = inspect.signature(self.f).bind(*args, **kwargs)
        bound.arguments.update({n: _Fixed(v) for n, v in bound.arguments.items() if n in self.static})
        flat, structure = flatten((bound.args, bound.kwargs))
        fixed = [isinstance(x, _Fixed) for x in flat]
        values = [x.value if f else x for x, f in zip(flat, fixed, strict=True)]
        return [(f"argument {i}", x, f) for i, (x, f) in enumerate(zip(values, fixed, strict=True))], structure

    def _key(self, leaves: Sequence[tuple[str, Any, bool]], structure: Structure, arrays: dict[int, Any]) -> Key:
        parts: list[tuple[str, Any]] = [("the structure of the arguments", structure)]
        for i, (where, x, fixed) in enumerate(leaves):
            if i in arrays:
                value = arrays[i]
                parts.append((where, (type_of(value), isinstance(value, Box) and value.node is not None)))
            elif fixed:
                parts.append((where, _static_key(x, self.name)))
            else:
                parts.append((where, argument_key(x, where, self.name)))
        parts.append(("recording", _recording()))
        parts.append(("the default float dtype", (default_float(), draw_float())))
        parts.append(("debug mode", debugging()))
        parts += outside_key(self.f)
        return Key(tuple(parts))

    def _find(self, key: Key) -> Program | None:
        return next((p for p in self.table.get(key, ()) if p.traced.mismatch() is None), None)

    def _trace(self, key: Key, leaves: Any, structure: Structure, places: list[int], values: list[Any]) -> Program:
        with self.lock:
            found = self._find(key)
            if found is not None:  # another thread traced it meanwhile
                return found
            self._explain_retrace(key)
            program = self._traced(leaves, structure, places, values)
            if program.traced.keepable:
                if len(self.table) >= MOST_PROGRAMS:  # the oldest goes: keys that never come back must not pile up
                    del self.table[next(iter(self.table))]
                self.table.setdefault(key, []).append(program)
            return program

    def _traced(self, leaves: Any, structure: Structure, places: list[int], values: list[Any]) -> Program:
        results: list[Structure] = []

        def run(*boxes: Any) -> list[Any]:
            full = [x for _, x, _ in leaves]
            for i, b in zip(places, boxes, strict=True):
                full[i] = b
            args, kwargs = unflatten(structure, full)
            flat, result = flat_arrays(self.f(*args, **kwargs), f"the result of {self.name}")
            results[:] = [result]
            return flat

        flags = [isinstance(v, Box) and v.node is not None for v in values]
        types = [type_of(v) for v in values]
        traced = trace(run, types, f"jit of {self.name}", requires_grad=flags, recording=_recording())
        return Program(traced, results[0], self.name)

    def _explain_retrace(self, key: Key) -> None:
        if not self.table:
            return
        same = self.table.get(key)
        if same:
            reason = same[-1].traced.mismatch() or "a value of an enclosing transform"
        else:
            reason = key.difference(
                max(self.table, key=lambda k: sum(a == b for a, b in zip(k.parts, key.parts, strict=False)))
            )
        self.retraces.append(reason)
        kind = reason.split(":")[0]
        self.reasons[kind] += 1
        if self.reasons[kind] == RETRACES_BEFORE_WARNING:
            warnings.warn(
                f"{self.name} was traced {RETRACES_BEFORE_WARNING} times more because of {kind}; last: {reason}. Each "
                "trace costs more than many calls: pass what changes as an array or a Python float",
                RetraceWarning,
                stacklevel=4,
            )

    @property
    def programs(self) -> list[Program]:
        """Every program traced so far."""
        return [p for programs in self.table.values() for p in programs]

    @property
    def graph(self) -> Any:
        """The graph of the program that ran last."""
        if self.last is None:
            raise RetrogradError(f"{self.name} has not run yet: its graph is traced at the first call")
        return self.last.traced.graph

    def _executable(self, what: str) -> Any:
        """The native code of the program that ran last."""
        if self.last is None:
            raise RetrogradError(f"{self.name} has not run yet: its {what} is made at the first call")
        executable = getattr(self.last.engine, "executable", None)
        if executable is None:
            raise RetrogradError(f"{self.name} runs {self.last.engine.name}, which has no {what}: {available()}")
        return executable

    @property
    def loops(self) -> str:
        """The loops that the program that ran last became."""
        return str(self._executable("loops").loops)

    @property
    def llvm_ir(self) -> str:
        """Their code for LLVM."""
        return str(self._executable("LLVM code").llvm_ir)

    @property
    def assembly(self) -> str:
        """Their machine code."""
        return str(self._executable("assembly").assembly)

    @property
    def memory_plan(self) -> str:
        """Where its temporaries lie."""
        return str(self._executable("memory plan").memory_plan)

    def report(self) -> Report:
        """What was traced, why again, what it captured, which cells it reads and assigns, and what its code costs."""
        return Report.of(self.name, self.programs, self.retraces)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """As a method: the instance becomes the first argument."""
        return self if instance is None else _Bound(self, instance)

    def __repr__(self) -> str:
        return f"<jit of {self.name}: {len(self.programs)} programs>"


class _Bound:
    """A jitted method of an instance."""

    def __init__(self, jitted: Jitted, instance: Any) -> None:
        self.jitted, self.instance = jitted, instance
        update_wrapper(self, jitted)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.jitted(self.instance, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.jitted, name)


class _Fixed:
    """A static argument: a leaf, whatever it is."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def _static_key(x: Any, name: str) -> Any:
    try:
        hash(x)
    except TypeError:
        raise RetrogradError(f"{name}: a static argument must be hashable, a {type(x).__name__} is not") from None
    if isinstance(x, Cell):
        return Identity(x)
    key = value_key(x)  # which tells 1 from 1.0, and 0.0 from -0.0, in tuples too
    return (type(x), x) if key is None else key


def _recording() -> bool:
    """Whether `no_grad` is not active."""
    level: Interpreter | None = current()
    while level is not None:
        if isinstance(level, NoGrad) or (isinstance(level, Evaluate) and not level.recording):
            return False
        level = level.below
    return True


def jit(f: Callable[..., Any] | None = None, *, static: Sequence[str] = ()) -> Any:
    """Trace `f` on its first call, and run the traced program from then on.

    Inside, cells (parameters, buffers, optimiser slots, `.grad`, generators) may be read and assigned; after the call
    they are what eager code would have left. Whatever else Python does happens once, at trace time: printing, reading
    a global list, branching on a Python value.

    Args:
        f: a function of arrays, trees of arrays, and values that can be told apart (see `retrograd.graph.keys`).
        static: names of parameters whose values are part of the program; they must be hashable.

    Returns:
        A function with the results of `f`. ``.report()`` says what was traced and why; ``.graph`` is the program.

    >>> import retrograd as rg
    >>> @rg.jit
    ... def f(x):
    ...     return rg.sum(rg.tanh(x) ** 2)
    >>> f(rg.tensor([0.05, 0.10]))
    tensor(0.01242955, dtype=float32)
    >>> rg.grad(f)(rg.tensor([0.05, 0.10]))
    tensor([0.09966737, 0.19735585], dtype=float32)
    """
    if f is None:
        return lambda g: jit(g, static=static)
    if not callable(f):
        raise RetrogradError(f"jit takes a function, not a {type(f).__name__}")
    return Jitted(f, (static,) if isinstance(static, str) else static)
