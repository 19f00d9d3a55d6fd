"""Reports: what came of a training, or of an evaluation, as one HTML file for people (pictures: extra ``plot``).

`report` writes it, ``retrograd train --report`` and ``retrograd evaluate --report`` call it. The file needs nothing
from elsewhere and runs no script.
"""

from retrograd.report.page import report as report

__all__ = ["report"]
