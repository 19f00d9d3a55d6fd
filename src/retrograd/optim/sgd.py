"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from retrograd.errors import RetrogradError
from retrograd.optim.arithmetic import choose
from retrograd.optim.number import Number
from retrograd.optim.optimizer import Optimizer


class SGD(Optimizer):
    r"""Gradient descent, with momentum if wanted.

    .. math::
        d_t = g_t + \lambda \theta_{t-1}, \qquad b_t = \mu\, b_{t-1} + (1 - \tau)\, d_t \quad (b_1 = d_1), \qquad
        \theta_t = \theta_{t-1} - \eta\, b_t

    With ``nesterov`` the step is :math:`\eta\,(d_t + \mu\, b_t)`; without momentum :math:`b_t = d_t`.

    Args:
        params: the parameters to update; without them this is the pure pair.
        lr: :math:`\eta`, or a schedule of the number of completed steps.
        momentum: :math:`\mu`; whether there is any is decided here.
        dampening: :math:`\tau`.
        weight_decay: :math:`\lambda`, an L2 penalty.
        nesterov: look ahead by one step.

    Robbins, Monro (1951); Polyak (1964), equation 9; Sutskever, Martens, Dahl, Hinton (2013), section 2, in the form of
    PyTorch, where the learning rate multiplies the whole of :math:`b_t`.

    >>> import retrograd as rg
    >>> sgd = SGD(lr=0.5)
    >>> sgd.update(rg.tensor([2.0]), sgd.init(rg.tensor([1.0])), rg.tensor([1.0]))[0]
    tensor([0.], dtype=float32)
    """

    lr = Number(scheduled=True)
    momentum = Number()
    dampening = Number()
    weight_decay = Number()

    def __init__(
        self,
        params: Any = None,
        lr: Any = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        self.remembers = momentum != 0.0
        self.nesterov = nesterov
        if nesterov and (not self.remembers or dampening != 0.0):
            raise RetrogradError("SGD: nesterov needs momentum, and no dampening")
        super().__init__(
            params,
            slots=("momentum_buffer",) if self.remembers else (),
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
        )

    def _assign_number(self, number: Number, value: Any) -> None:
        if number.name == "momentum" and not self.remembers and not (type(value) in (int, float) and value == 0):
            raise RetrogradError("SGD: made without momentum it remembers no past gradients; make it with momentum=")
        super()._assign_number(number, value)

    def numbers(self, read: Callable[[str], Any], steps: Any) -> Any:
        used = self._used
        share = None
        if self.remembers and "dampening" in used:
            share = choose(steps == 0.0, 1.0, 1.0 - read("dampening"))
        momentum = read("momentum") if self.remembers else None
        return -read("lr"), momentum, share, read("weight_decay") if "weight_decay" in used else None

    def rule(self, numbers: Any, parameter: Any, gradient: Any, *slots: Any) -> tuple[Any, ...]:
        minus_lr, momentum, share, decay = numbers
        if decay is not None:
            gradient = parameter * decay + gradient
        if momentum is None:
            new = gradient * minus_lr
            new += parameter  # in place on an array that is ours; on a tensor the same sum
            return (new,)
        buffer = slots[0] * momentum
        buffer += gradient if share is None else gradient * share
        new = (buffer * momentum + gradient if self.nesterov else buffer) * minus_lr
        new += parameter
        return new, buffer
