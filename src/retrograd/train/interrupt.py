"""Ctrl-C asks a run to end at the next step; a second one raises."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Self


class Interrupt:
    """Within the context the first SIGINT sets `asked`, the second raises `KeyboardInterrupt` at once.

    Python delivers signals to the main thread; in another one, or where the program has a handler of its own, nothing
    is changed.
    """

    def __init__(self) -> None:
        self.asked = False
        self._installed = False

    def __enter__(self) -> Self:
        here = threading.current_thread() is threading.main_thread()
        if here and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._handle)
            self._installed = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
