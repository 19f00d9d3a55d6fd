"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np

from retrograd.errors import RetrogradError
from retrograd.optim.arithmetic import choose
from retrograd.optim.number import Fixed, Number
from retrograd.optim.optimizer import Optimizer
from retrograd.optim.settings import Read


class SGD(Optimizer):
    r"""Gradient descent, with momentum if wanted.

    .. math::
        d_t = g_t + \lambda \theta_{t-1}, \qquad b_t = \mu\, b_{t-1} + (1 - \tau)\, d_t \quad (b_1 = d_1), \qquad
        \theta_t = \theta_{t-1} - \eta\, b_t

    With ``nesterov`` the step is :math:`\eta\,(d_t + \mu\, b_t)`; without momentum :math:`b_t = d_t`. With
    ``decoupled_weight_decay`` :math:`d_t = g_t`, and the step begins from :math:`(1 - \eta\lambda)\,\theta_{t-1}`: the
    same for plain gradient descent, another rule with momentum.

    Args:
        params: the parameters to update; without them this is the pure pair.
        lr: :math:`\eta`, or a schedule of the number of completed steps.
        momentum: :math:`\mu`; whether there is any is decided here.
        dampening: :math:`\tau`.
        weight_decay: :math:`\lambda`, an L2 penalty :math:`\frac\lambda2 \lVert\theta\rVert^2` on the loss; for one
            that spares biases see `no_bias_decay`.
        nesterov: look ahead by one step; decided here.
        decoupled_weight_decay: shrink the weights beside the step instead; decided here.

    Robbins, Monro (1951); Polyak (1964), equation 9; Sutskever, Martens, Dahl, Hinton (2013), section 2, in the form of
    PyTorch, where the learning rate multiplies the whole of :math:`b_t`; weight decay: Hinton (1987), and decoupled
    Loshchilov, Hutter (2019), algorithm 1.

    >>> import retrograd as rg
    >>> sgd = SGD(lr=0.5)
    >>> sgd.update(rg.tensor([2.0]), sgd.init(rg.tensor([1.0])), rg.tensor([1.0]))[0]
    tensor([0.], dtype=float32)
    """

    lr = Number(scheduled=True)
    momentum = Number()
    dampening = Number()
    weight_decay = Number()
    nesterov = Fixed()
    decoupled_weight_decay = Fixed()
    remembers = Fixed()

    def __init__(
        self,
        params: Any = None,
        lr: Any = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        self.remembers = bool(np.any(np.asarray(momentum) != 0.0)) or callable(momentum)
        self.nesterov, self.decoupled_weight_decay = nesterov, decoupled_weight_decay
        if nesterov and not self.remembers:
            raise RetrogradError("SGD: nesterov needs momentum, and no dampening")
        super().__init__(
            params,
            slots=("momentum_buffer",) if self.remembers else (),
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
        )

    def _check_setting(self, name: str, value: Any) -> None:
        if name == "momentum" and not self.remembers and not (type(value) in (int, float) and value == 0):
            raise RetrogradError("SGD: made without momentum it remembers no past gradients; make it with momentum=")
        if name == "dampening" and self.nesterov and not (type(value) in (int, float) and value == 0):
            raise RetrogradError("SGD: nesterov needs momentum, and no dampening")

    def numbers(self, read: Read, steps: Any) -> Any:
        share = None
        if self.remembers and (dampening := read("dampening", None)) is not None:
            share = choose(steps == 0.0, 1.0, 1.0 - dampening)
        momentum = read("momentum") if self.remembers else None
        decay, rate, keep = read("weight_decay", None), read("lr"), None
        if self.decoupled_weight_decay and decay is not None:
            decay, keep = None, 1.0 - rate * decay
        return -rate, momentum, share, decay, keep

    def rule(self, numbers: Any, parameter: Any, gradient: Any, *slots: Any) -> tuple[Any, ...]:
        minus_lr, momentum, share, decay, keep = numbers
        if decay is not None:
            gradient = parameter * decay + gradient
        if keep is not None:
            parameter = parameter * keep
        if momentum is None:
            new = gradient * minus_lr
            new += parameter  # in place on an array that is ours; on a tensor the same sum
            return (new,)
        buffer = slots[0] * momentum
        buffer += gradient if share is None else gradient * share
        new = (buffer * momentum + gradient if self.nesterov else buffer) * minus_lr
        new += parameter
        return new, buffer
