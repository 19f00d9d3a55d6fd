"""The command line: ``retrograd train``, ``predict`` and ``explain``."""

from retrograd.cli.main import main as main

__all__ = ["main"]
