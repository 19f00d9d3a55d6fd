"""The native engine: graphs become loops, loops become LLVM IR, and that becomes one call.

`available` says whether it can be used; `compiled` makes the code of a graph, once. Nothing here is imported before a
program is compiled.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from retrograd.errors import RetrogradError

if TYPE_CHECKING:
    from retrograd.graph.ir import Graph, Var
    from retrograd.native.executable import Executable

INSTALL = "llvmlite is not installed: pip install llvmlite"


def available() -> str | None:
    """Why nothing runs natively here, or None."""
    asked = os.environ.get("RETROGRAD_ENGINE", "native")
    if asked == "interpreter":
        return "RETROGRAD_ENGINE=interpreter"
    if asked not in ("", "native"):
        raise RetrogradError(f"RETROGRAD_ENGINE={asked}: set it to native or interpreter, or leave it out")
    return _missing()


@cache
def _missing() -> str | None:
    from retrograd.native.runtime.linker import available as loads

    if loads():
        return None
    warnings.warn(f"compiled functions are interpreted, which is slower: {INSTALL}", stacklevel=2)
    return INSTALL


def compiled(graph: Graph, keep: Sequence[Var] = (), pairs: Sequence[tuple[int, int]] = ()) -> Executable:
    """The code of a graph for the current CPU level, made at the first use; see `Executable` for the rest."""
    from retrograd.native.executable import Executable
    from retrograd.native.runtime.cpu import current_target

    target = current_target()
    key = ("native", target, tuple(keep), tuple(pairs))
    found = graph.derived.get(key)
    if found is None:
        found = graph.derived[key] = Executable(graph, keep, target, pairs)
    return found


def run(graph: Graph, args: Sequence[Any]) -> list[Any]:
    """The outputs of a graph on bare arrays: natively if possible."""
    from retrograd.graph.interpret import evaluate

    if available() is not None:
        return evaluate(graph, args)
    try:
        executable = compiled(graph)
    except DEFECTS as error:
        regret(error)
        del graph.derived["runner"]
        return evaluate(graph, args)
    return executable(args)


DEFECTS = (AssertionError, KeyError, IndexError, NotImplementedError, RuntimeError)
"""What a defect of the compiler raises; whatever else is raised while compiling is meant for the user."""


class CompilerWarning(UserWarning):
    """A program could not be compiled, which is a defect of ours; it is interpreted."""


def regret(error: BaseException) -> None:
    """Say that a program runs slowly because of us."""
    said = f"{type(error).__name__}: {error}".splitlines()[0]
    warnings.warn(
        f"a function could not be compiled and is interpreted, which is right but slower ({said}); please report it",
        CompilerWarning,
        stacklevel=3,
    )
