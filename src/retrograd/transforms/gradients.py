"""`no_grad`: what is computed inside is a constant to every derivative."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from retrograd.core.box import Box
from retrograd.core.dispatch import EVALUATE, QUIET, Interpreter, apply1, current, interpreter
from retrograd.primitives.arithmetic import STOP_GRADIENT

if TYPE_CHECKING:
    from retrograd.core.primitive import Primitive


class NoGrad(Interpreter):
    """Cuts every argument off its derivatives, then hands on."""

    name = "no_grad"

    def process(self, prim: Primitive, args: Sequence[Any]) -> Any:
        assert self.below is not None
        with interpreter(self.below):
            cut = [apply1(STOP_GRADIENT, a) if isinstance(a, Box) and a.dtype.kind == "f" else a for a in args]
        return self.below.process(prim, cut)


@contextmanager
def no_grad() -> Iterator[None]:
    """Within the context nothing is recorded or differentiated: results are constants to every derivative.

    >>> import retrograd as rg
    >>> x = rg.tensor([1.0], requires_grad=True)
    >>> with rg.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """
    active = current()
    level = QUIET if active is EVALUATE or active is QUIET else NoGrad(active)
    with interpreter(level):
        yield
