r"""Every exception retrograd raises on purpose.

::

    RetrogradError
    ├── ShapeError (ValueError)            operands do not fit together
    ├── DTypeError (TypeError)             dtypes that do not mix, or a dtype an operation has no meaning for
    │   └── UnsupportedDtype               complex, object, strings
    ├── DifferentiationError (RuntimeError)
    │   ├── MissingRule                    a primitive lacks the rule a transform needs
    │   ├── SpentTape                      a second sweep over a tape that was freed
    │   └── BorderCrossed                  a sweep or an assignment would leave its trace
    ├── EscapedTracer (RuntimeError)       a traced value used after its transform ended
    ├── TracingError (TypeError)           Python that cannot be traced (branching on a traced value, ...)
    ├── CellError (TypeError)              an assignment a cell refuses
    ├── GraphError (ValueError)            a graph that is not well formed, or text that is no graph
    ├── GradientMismatch (AssertionError)  `check_grads` found a wrong derivative
    ├── NonFiniteError (ArithmeticError)   `trace_nan` found the operation that made an infinity or a NaN
    ├── NotConverged (ArithmeticError)     an iteration for a solution that does not find one
    ├── TrainingDiverged (ArithmeticError) a loss that became infinite or NaN
    ├── DataError (ValueError)             a data file or table that cannot be used as it is
    └── ModelError (ValueError)            a saved model that cannot be read, or does not fit
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_where: list[Callable[[], str]] = []


def set_where(function: Callable[[], str]) -> None:
    """Install what says where in the user's code we are (called once, by `retrograd.core.source`)."""
    _where.append(function)


def not_installed(what: str, extra: str) -> str:
    """The message where an optional package is missing.

    Args:
        what: what is done with it, up to its name: "plots are drawn with matplotlib".
        extra: the extra of this package that brings it.
    """
    return f"{what}, which is not installed: pip install 'retrograd[{extra}]'"


class RetrogradError(Exception):
    """Base of every exception of this library."""


class _Located(RetrogradError):
    """An error whose message ends with the user's own line."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message if not _where or " (at " in message else f"{message}{_where[-1]()}")


class ShapeError(_Located, ValueError):
    """Shapes that do not fit together."""


class DTypeError(_Located, TypeError):
    """Dtypes that do not mix, or that an operation has no meaning for."""


class UnsupportedDtype(DTypeError):
    """A dtype the library does not compute with (complex, object, strings)."""


class DifferentiationError(RetrogradError, RuntimeError):
    """A derivative that cannot be taken."""


class MissingRule(DifferentiationError):
    """A primitive lacks the rule that a transform needs."""


class SpentTape(DifferentiationError):
    """A second sweep over a tape that the first one freed."""


class BorderCrossed(DifferentiationError):
    """A sweep, or an assignment, would leave the trace it belongs to."""


class EscapedTracer(RetrogradError, RuntimeError):
    """A traced value was used after its transform had ended."""


class TracingError(RetrogradError, TypeError):
    """Python that cannot be traced."""


class CellError(RetrogradError, TypeError):
    """An assignment that a cell refuses."""


class GraphError(RetrogradError, ValueError):
    """A graph that is not well formed, or a text that is no graph."""


class GradientMismatch(RetrogradError, AssertionError):
    """A derivative disagrees with finite differences."""


class NonFiniteError(RetrogradError, ArithmeticError):
    """An operation, or the derivative of one, made something that is not finite; see `retrograd.trace_nan`.

    Attributes:
        operation: its name, such as "log".
        phase: "forward", "backward" (its derivative in a sweep) or "tangent" (its derivative in forward mode).
        inputs: what its operands, and the cotangents or tangents that came in, hold: records with `name`, `type`,
            `low`, `high`, `zeros`, `nans`, `infinities`.
        line: the user's line, with `file`, `number` and `text`; None where none is known.
        iteration: of the innermost loop (`scan`, `fori_loop`, `while_loop`), counted from 0; None outside of loops.
        suggestion: what to try.
    """

    def __init__(
        self,
        message: str,
        *,
        operation: str = "",
        phase: str = "forward",
        inputs: tuple[Any, ...] = (),
        line: Any = None,
        iteration: int | None = None,
        suggestion: str = "",
    ) -> None:
        super().__init__(message)
        self.operation, self.phase, self.inputs = operation, phase, inputs
        self.line, self.iteration, self.suggestion = line, iteration, suggestion


class NotConverged(_Located, ArithmeticError):
    """An iteration did not find its solution: too slow, or it diverges."""


class TrainingDiverged(RetrogradError, ArithmeticError):
    """The loss of a run became infinite or NaN."""


class DataError(RetrogradError, ValueError):
    """A data file or table that cannot be used as it is."""


class ModelError(RetrogradError, ValueError):
    """A saved model that cannot be read, or does not fit."""
