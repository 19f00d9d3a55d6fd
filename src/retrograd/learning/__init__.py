"""Other ways to learn, and other ways to go through a recorded program than backpropagation.

All of them stand on the one tape and its local derivatives: `record` gives it to be swept, `path_sum` and `visits` are
what the sweep saves, `multiply_adds` what it costs, `OrderedSystem` how Werbos wrote it. `one_sided_differences`,
`central_differences`, `simultaneous_perturbation` and `random_search` are what people did before.
"""

from retrograd.learning.counting import Cost as Cost
from retrograd.learning.counting import multiply_adds as multiply_adds
from retrograd.learning.ordered import OrderedSystem as OrderedSystem
from retrograd.learning.paths import Visits as Visits
from retrograd.learning.paths import path_count as path_count
from retrograd.learning.paths import path_sum as path_sum
from retrograd.learning.paths import paths as paths
from retrograd.learning.paths import visits as visits
from retrograd.learning.perturbation import central_differences as central_differences
from retrograd.learning.perturbation import one_sided_differences as one_sided_differences
from retrograd.learning.perturbation import random_search as random_search
from retrograd.learning.perturbation import simultaneous_perturbation as simultaneous_perturbation
from retrograd.learning.recording import Recording as Recording
from retrograd.learning.recording import record as record

__all__ = [
    "Cost", "OrderedSystem", "Recording", "Visits", "central_differences", "multiply_adds", "one_sided_differences",
    "path_count", "path_sum", "paths", "random_search", "record", "simultaneous_perturbation", "visits",
]  # fmt: skip
