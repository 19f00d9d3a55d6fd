"""What can be told of a run while it happens, and can end it: one file each."""

from retrograd.train.callbacks.callback import Callback as Callback
from retrograd.train.callbacks.early_stopping import EarlyStopping as EarlyStopping
from retrograd.train.callbacks.progress import Progress as Progress

__all__ = ["Callback", "EarlyStopping", "Progress"]
