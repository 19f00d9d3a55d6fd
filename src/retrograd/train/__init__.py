"""Training: from arrays, or a table, to a model that can be kept.

`Trainer` fits any module to arrays in memory, with validation, early stopping, checkpoints and live progress.
`TrainedModel` is a network together with its preprocessor, and its folder on disk; `tabular` is the recipe behind
``retrograd train``.
"""

from retrograd.train import metrics as metrics
from retrograd.train.callbacks import Callback as Callback
from retrograd.train.callbacks import EarlyStopping as EarlyStopping
from retrograd.train.callbacks import Progress as Progress
from retrograd.train.history import History as History
from retrograd.train.trained_model import TrainedModel as TrainedModel
from retrograd.train.trainer import Trainer as Trainer

__all__ = ["Callback", "EarlyStopping", "History", "Progress", "TrainedModel", "Trainer", "metrics"]
