"""Adam."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from retrograd.errors import RetrogradError
from retrograd.optim.arithmetic import power, sqrt
from retrograd.optim.number import Number
from retrograd.optim.optimizer import Optimizer


class Adam(Optimizer):
    r"""Steps of about equal size in every coordinate, from running means of the gradient and of its square.

    .. math::
        g_t \mathrel{+}= \lambda \theta_{t-1}, \quad m_t = \beta_1 m_{t-1} + (1 - \beta_1) g_t, \quad
        v_t = \beta_2 v_{t-1} + (1 - \beta_2) g_t^2

    .. math::
        \theta_t = \theta_{t-1} - \frac{\eta}{1 - \beta_1^t}\,
        \frac{m_t}{\sqrt{v_t} \,/ \sqrt{1 - \beta_2^t} + \epsilon}

    The step count t is one for all parameters.

    Args:
        params: the parameters to update; without them this is the pure pair.
        lr: :math:`\eta`, or a schedule of the number of completed steps.
        betas: :math:`\beta_1, \beta_2`.
        eps: :math:`\epsilon`.
        weight_decay: :math:`\lambda`, an L2 penalty on the gradient.

    Kingma, Ba (2015), algorithm 1 with the order of computation of section 2.

    >>> import retrograd as rg
    >>> adam = Adam(lr=0.5)
    >>> x = rg.tensor([1.0, 2.0], dtype="float64")
    >>> adam.update(x * 2.0, adam.init(x), x)[0]
    tensor([0.5, 1.5], dtype=float64)
    """

    lr = Number(scheduled=True)
    beta1 = Number(below=1.0)
    beta2 = Number(below=1.0)
    eps = Number()
    weight_decay = Number()

    def __init__(
        self,
        params: Any = None,
        lr: Any = 1e-3,
        betas: Sequence[float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        first, second = _two(betas)
        super().__init__(
            params,
            slots=("exp_avg", "exp_avg_sq"),
            lr=lr,
            beta1=first,
            beta2=second,
            eps=eps,
            weight_decay=weight_decay,
        )

    @property
    def betas(self) -> tuple[Any, Any]:
        """Both decay rates."""
        return self.beta1, self.beta2

    @betas.setter
    def betas(self, betas: Sequence[float]) -> None:
        self.beta1, self.beta2 = _two(betas)

    def numbers(self, read: Callable[[str], Any], steps: Any) -> Any:
        beta1, beta2 = read("beta1"), read("beta2")
        t = steps + 1.0
        rate = read("lr") / (1.0 - power(beta1, t))
        scale = sqrt(1.0 - power(beta2, t))
        decay = read("weight_decay") if "weight_decay" in self._used else None
        return -rate, scale, beta1, 1.0 - beta1, beta2, 1.0 - beta2, read("eps"), decay

    def rule(self, numbers: Any, parameter: Any, gradient: Any, *slots: Any) -> tuple[Any, ...]:
        minus_rate, scale, beta1, rest1, beta2, rest2, eps, decay = numbers
        if decay is not None:
            gradient = parameter * decay + gradient
        mean = slots[0] * beta1
        mean += gradient * rest1  # in place on an array that is ours; on a tensor the same sum
        square = slots[1] * beta2
        square += gradient * gradient * rest2
        size = sqrt(square)
        size /= scale
        size += eps
        new = mean * minus_rate
        new /= size
        new += parameter
        return new, mean, square


def _two(betas: Any) -> tuple[Any, Any]:
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise RetrogradError(f"Adam: betas are two numbers, not {betas!r}")
    return betas[0], betas[1]
