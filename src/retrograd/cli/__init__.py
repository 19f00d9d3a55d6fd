"""The command line: ``retrograd train``, ``predict``, ``evaluate``, ``explain`` and ``play``."""

from retrograd.cli.main import main as main

__all__ = ["main"]
