"""Steps scaled by the size of past gradients, without Adam's first moment: Adagrad and RMSprop."""

from __future__ import annotations

from typing import Any

from retrograd.optim.arithmetic import maximum, sqrt
from retrograd.optim.number import Fixed, Number
from retrograd.optim.optimizer import Optimizer
from retrograd.optim.settings import Read


class Adagrad(Optimizer):
    r"""Steps divided by the root of the sum of all squared gradients so far, which rare features like.

    .. math::
        g_t \mathrel{+}= \lambda \theta_{t-1}, \qquad s_t = s_{t-1} + g_t^2, \qquad
        \theta_t = \theta_{t-1} - \frac{\eta}{1 + (t - 1)\,\delta}\, \frac{g_t}{\sqrt{s_t} + \epsilon}

    Args:
        params: the parameters to update; without them this is the pure pair.
        lr: :math:`\eta`, or a schedule of the number of completed steps.
        lr_decay: :math:`\delta`.
        weight_decay: :math:`\lambda`, an L2 penalty on the gradient.
        eps: :math:`\epsilon`.

    Duchi, Hazan, Singer (2011), figure 1 with a diagonal matrix, in the form of PyTorch.

    >>> import retrograd as rg
    >>> adagrad = Adagrad(lr=0.5)
    >>> x = rg.tensor([1.0, 2.0], dtype="float64")
    >>> adagrad.update(x * 2.0, adagrad.init(x), x)[0]
    tensor([0.5, 1.5], dtype=float64)
    """

    lr = Number(scheduled=True)
    lr_decay = Number()
    weight_decay = Number()
    eps = Number()

    def __init__(
        self, params: Any = None, lr: Any = 1e-2, lr_decay: float = 0.0, weight_decay: float = 0.0, eps: float = 1e-10
    ) -> None:
        super().__init__(params, slots=("sum",), lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, eps=eps)

    def numbers(self, read: Read, steps: Any) -> Any:
        rate, decay = read("lr"), read("lr_decay", None)
        if decay is not None:
            rate = rate / (1.0 + steps * decay)
        return -rate, read("eps"), read("weight_decay", None)

    def rule(self, numbers: Any, parameter: Any, gradient: Any, *slots: Any) -> tuple[Any, ...]:
        minus_rate, eps, decay = numbers
        if decay is not None:
            gradient = parameter * decay + gradient
        total = gradient * gradient
        total += slots[0]  # in place on an array that is ours; on a tensor the same sum
        size = sqrt(total)
        size += eps
        new = gradient * minus_rate
        new /= size
        new += parameter
        return new, total


class RMSprop(Optimizer):
    r"""Steps divided by the root of a running mean of squared gradients.

    .. math::
        g_t \mathrel{+}= \lambda \theta_{t-1}, \quad v_t = \alpha v_{t-1} + (1 - \alpha) g_t^2, \quad
        b_t = \mu\, b_{t-1} + \frac{g_t}{\sqrt{v_t} + \epsilon}, \quad \theta_t = \theta_{t-1} - \eta\, b_t

    With ``centered`` the root is taken of :math:`v_t - m_t^2`, an estimate of the variance, where :math:`m_t` is the
    running mean of the gradient.

    Args:
        params: the parameters to update; without them this is the pure pair.
        lr: :math:`\eta`, or a schedule of the number of completed steps.
        alpha: :math:`\alpha`.
        eps: :math:`\epsilon`.
        weight_decay: :math:`\lambda`, an L2 penalty on the gradient.
        momentum: :math:`\mu`.
        centered: divide by the spread of the gradients, not by their size; decided here.

    Tieleman, Hinton (2012), lecture 6.5; centered: Graves (2013), equations 38 to 45; in the form of PyTorch.

    >>> import retrograd as rg
    >>> rmsprop = RMSprop(lr=0.5, alpha=0.75)
    >>> x = rg.tensor([1.0, 2.0], dtype="float64")
    >>> [round(number, 6) for number in rmsprop.update(x * 2.0, rmsprop.init(x), x)[0].tolist()]
    [0.0, 1.0]
    """

    lr = Number(scheduled=True)
    alpha = Number(below=1.0)
    eps = Number()
    weight_decay = Number()
    momentum = Number()
    centered = Fixed()

    def __init__(
        self,
        params: Any = None,
        lr: Any = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> None:
        self.centered = centered
        super().__init__(
            params,
            slots=("square_avg", "momentum_buffer", *(("grad_avg",) if centered else ())),
            lr=lr,
            alpha=alpha,
            eps=eps,
            weight_decay=weight_decay,
            momentum=momentum,
        )

    def numbers(self, read: Read, steps: Any) -> Any:
        alpha = read("alpha")
        return -read("lr"), alpha, 1.0 - alpha, read("eps"), read("weight_decay", None), read("momentum", None)

    def rule(self, numbers: Any, parameter: Any, gradient: Any, *slots: Any) -> tuple[Any, ...]:
        minus_rate, alpha, rest, eps, decay, momentum = numbers
        if decay is not None:
            gradient = parameter * decay + gradient
        square = slots[0] * alpha
        square += gradient * gradient * rest  # in place on an array that is ours; on a tensor the same sum
        means: tuple[Any, ...] = ()
        variance = square
        if self.centered:
            mean = slots[2] * alpha
            mean += gradient * rest
            # Gradients that hardly change leave nothing but rounding, which may be below 0.
            means, variance = (mean,), maximum(square - mean * mean, 0.0)
        size = sqrt(variance)
        size += eps
        step = gradient / size
        if momentum is not None:
            step += slots[1] * momentum
        new = step * minus_rate
        new += parameter
        return new, square, step, *means
