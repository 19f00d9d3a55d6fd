"""Optimisers: `SGD`, `Adam`, `AdamW`, `Adagrad`, `RMSprop`.

Each is a pure pair `init`, `update`; given parameters first, it updates them in place. Learning rates that change from
step to step are functions in `schedules`. Gradients are clipped by `clip_by_global_norm` and `clip_by_value`, or where
`.backward()` has left them by `clip_grad_norm_` and `clip_grad_value_`.
"""

from retrograd.optim import schedules as schedules
from retrograd.optim.adam import Adam as Adam
from retrograd.optim.adam import AdamW as AdamW
from retrograd.optim.adaptive import Adagrad as Adagrad
from retrograd.optim.adaptive import RMSprop as RMSprop
from retrograd.optim.clipping import clip_by_global_norm as clip_by_global_norm
from retrograd.optim.clipping import clip_by_value as clip_by_value
from retrograd.optim.clipping import clip_grad_norm_ as clip_grad_norm_
from retrograd.optim.clipping import clip_grad_value_ as clip_grad_value_
from retrograd.optim.clipping import global_norm as global_norm
from retrograd.optim.decay import no_bias_decay as no_bias_decay
from retrograd.optim.number import Fixed as Fixed
from retrograd.optim.number import Number as Number
from retrograd.optim.optimizer import Optimizer as Optimizer
from retrograd.optim.settings import Group as Group
from retrograd.optim.sgd import SGD as SGD

__all__ = [
    "SGD", "Adagrad", "Adam", "AdamW", "Fixed", "Group", "Number", "Optimizer", "RMSprop", "clip_by_global_norm",
    "clip_by_value", "clip_grad_norm_", "clip_grad_value_", "global_norm", "no_bias_decay", "schedules",
]  # fmt: skip
