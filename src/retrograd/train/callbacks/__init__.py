"""What can be told of a run while it happens, and can end it: one file each."""

from retrograd.train.callbacks.callback import Callback as Callback
from retrograd.train.callbacks.early_stopping import EarlyStopping as EarlyStopping
from retrograd.train.callbacks.gradient_health import Checkup as Checkup
from retrograd.train.callbacks.gradient_health import GradientHealth as GradientHealth
from retrograd.train.callbacks.progress import Progress as Progress
from retrograd.train.callbacks.reduce_lr_on_plateau import ReduceLROnPlateau as ReduceLROnPlateau

__all__ = ["Callback", "Checkup", "EarlyStopping", "GradientHealth", "Progress", "ReduceLROnPlateau"]
