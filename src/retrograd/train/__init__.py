"""Training: from arrays, or a table, to a model that can be kept.

`Trainer` fits any module to arrays in memory, with validation, early stopping, checkpoints and live progress;
`fit_many` all models of a `rg.nn.stack` at once.
`TrainedModel` is a network together with its preprocessor, and its folder on disk; `evaluate` measures one on a
labelled table; `tabular` is the recipe behind ``retrograd train``.
"""

from retrograd.train import metrics as metrics
from retrograd.train.callbacks import Callback as Callback
from retrograd.train.callbacks import EarlyStopping as EarlyStopping
from retrograd.train.callbacks import GradientHealth as GradientHealth
from retrograd.train.callbacks import Progress as Progress
from retrograd.train.callbacks import ReduceLROnPlateau as ReduceLROnPlateau
from retrograd.train.diagnostics import classify_point as classify_point
from retrograd.train.diagnostics import dead_fraction as dead_fraction
from retrograd.train.diagnostics import health as health
from retrograd.train.diagnostics import input_gradient as input_gradient
from retrograd.train.diagnostics import plateaus as plateaus
from retrograd.train.diagnostics import sensitivity as sensitivity
from retrograd.train.evaluation import Evaluation as Evaluation
from retrograd.train.evaluation import evaluate as evaluate
from retrograd.train.history import History as History
from retrograd.train.many import fit_many as fit_many
from retrograd.train.trained_model import TrainedModel as TrainedModel
from retrograd.train.trainer import Trainer as Trainer

__all__ = [
    "Callback", "EarlyStopping", "Evaluation", "GradientHealth", "History", "Progress", "ReduceLROnPlateau",
    "TrainedModel", "Trainer",
    "classify_point", "dead_fraction", "evaluate", "fit_many", "health", "input_gradient", "metrics", "plateaus",
    "sensitivity",
]  # fmt: skip
