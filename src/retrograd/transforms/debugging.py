"""`rg.debug`: eager evaluation that knows which line of the user's made each operation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from retrograd.config import debug_mode
from retrograd.core.box import Box
from retrograd.core.dispatch import Evaluate, at_own_line, current, interpreter, keep_line


class Lined(Evaluate):
    """Eager evaluation whose tape nodes keep the user's line. It takes the place of `EVALUATE`."""

    keeps_lines = True

    def follow(self, value: Any, node: Any) -> Box:
        keep_line(node)
        return super().follow(value, node)

    def sweeping(self, rule: Any, outputs: Sequence[Any] = ()) -> Any:
        """`rule`, whose errors name the line of the operation that they are about."""
        return at_own_line(rule)


@contextmanager
def debug() -> Iterator[None]:
    """Within the context loops run as plain Python, and every recorded operation keeps the user's source line.

    * `scan`, `fori_loop`, `while_loop` and `cond` call their functions again in each iteration, on the values
      themselves: `print`, `breakpoint` and `pdb` work inside, and an error has the iteration in its traceback. Inside
      `jit` they are written out, iteration by iteration, while the program is traced; a count, or a condition, must
      then be known.
    * An error in a derivative (`.backward()`, `grad`, `vjp`, ...) names the line of the *forward* code whose
      derivative failed. Elsewhere it names the line that asked for the derivative.

    Jitted functions stay compiled: programs traced within the context are kept apart from the others. Results are the
    same, but everything is slower; switch it on to look for something. It is for the current thread (or task) alone.
    Around a transform's call it reaches into the transform; entered inside one it changes only how loops run.

    >>> import retrograd as rg
    >>> def body(i, total):
    ...     print("iteration", int(i), "has", float(total))
    ...     return total + i
    >>> with rg.debug():
    ...     total = rg.fori_loop(0, 2, body, 0.5)
    iteration 0 has 0.5
    iteration 1 has 0.5
    """
    active = current()
    plain = isinstance(active, Evaluate) and not active.keeps_lines
    with debug_mode(), interpreter(Lined(active.recording) if plain else active):
        yield
