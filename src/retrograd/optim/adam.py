"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from retrograd.errors import RetrogradError
from retrograd.optim.arithmetic import maximum, power, sqrt
from retrograd.optim.number import Fixed, Number
from retrograd.optim.optimizer import Optimizer
from retrograd.optim.settings import Read


class Adam(Optimizer):
    r"""Steps of about equal size in every coordinate, from running means of the gradient and of its square.

    .. math::
        g_t \mathrel{+}= \lambda \theta_{t-1}, \quad m_t = \beta_1 m_{t-1} + (1 - \beta_1) g_t, \quad
        v_t = \beta_2 v_{t-1} + (1 - \beta_2) g_t^2

    .. math::
        \theta_t = \theta_{t-1} - \frac{\eta}{1 - \beta_1^t}\,
        \frac{m_t}{\sqrt{v_t} \,/ \sqrt{1 - \beta_2^t} + \epsilon}

    The step count t is one for all parameters. With ``amsgrad`` the root is taken of the largest :math:`v_t` so
    far. With ``decoupled_weight_decay`` the penalty is left out of :math:`g_t`, and the step begins from
    :math:`(1 - \eta\lambda)\,\theta_{t-1}`; that is `AdamW`.

    Args:
        params: the parameters to update; without them this is the pure pair.
        lr: :math:`\eta`, or a schedule of the number of completed steps.
        betas: :math:`\beta_1, \beta_2`.
        eps: :math:`\epsilon`.
        weight_decay: :math:`\lambda`, an L2 penalty on the gradient; for one that spares biases see `no_bias_decay`.
        amsgrad: never let a step grow because old gradients are forgotten; decided here.
        decoupled_weight_decay: shrink the weights beside the step instead; decided here.

    Kingma, Ba (2015), algorithm 1 with the order of computation of section 2; Reddi, Kale, Kumar (2018), algorithm 2
    in the form of PyTorch, where the largest :math:`v_t` is the one before its bias is corrected.

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
    amsgrad = Fixed()
    decoupled_weight_decay = Fixed()

    def __init__(
        self,
        params: Any = None,
        lr: Any = 1e-3,
        betas: Sequence[float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        first, second = _two(betas)
        self.amsgrad, self.decoupled_weight_decay = amsgrad, decoupled_weight_decay
        super().__init__(
            params,
            slots=("exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if amsgrad else ())),
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

    def _group_options(self, options: dict[str, Any]) -> dict[str, Any]:
        rest = dict(options)
        if "betas" in rest:
            rest["beta1"], rest["beta2"] = _two(rest.pop("betas"))
        return rest

    def numbers(self, read: Read, steps: Any) -> Any:
        beta1, beta2 = read("beta1"), read("beta2")
        t = steps + 1.0
        lr, decay, keep = read("lr"), read("weight_decay", None), None
        rate = lr / (1.0 - power(beta1, t))
        scale = sqrt(1.0 - power(beta2, t))
        if self.decoupled_weight_decay and decay is not None:
            decay, keep = None, 1.0 - lr * decay
        return -rate, scale, beta1, 1.0 - beta1, beta2, 1.0 - beta2, read("eps"), decay, keep

    def rule(self, numbers: Any, parameter: Any, gradient: Any, *slots: Any) -> tuple[Any, ...]:
        minus_rate, scale, beta1, rest1, beta2, rest2, eps, decay, keep = numbers
        if decay is not None:
            gradient = parameter * decay + gradient
        mean = slots[0] * beta1
        mean += gradient * rest1  # in place on an array that is ours; on a tensor the same sum
        square = slots[1] * beta2
        square += gradient * gradient * rest2
        kept = (mean, square, maximum(slots[2], square)) if self.amsgrad else (mean, square)
        size = sqrt(kept[-1])
        size /= scale
        size += eps
        new = mean * minus_rate
        new /= size
        new += parameter if keep is None else parameter * keep
        return new, *kept


class AdamW(Adam):
    r"""Adam with decoupled weight decay: weights shrink by the factor :math:`1 - \eta\lambda` beside each step.

    An L2 penalty in the gradient would be divided by :math:`\sqrt{v_t}` with the rest of it, so that weights with large
    gradients would decay less; see `Adam` for the formulas and the other arguments.

    Args:
        weight_decay: :math:`\lambda`; by default 0.01 as in PyTorch.

    Loshchilov, Hutter (2019), algorithm 2, in the form of PyTorch: the decay is multiplied by the learning rate.

    >>> import retrograd as rg
    >>> adamw = AdamW(lr=0.5, weight_decay=0.5)
    >>> x = rg.tensor([1.0, 2.0], dtype="float64")
    >>> adamw.update(x * 2.0, adamw.init(x), x)[0]
    tensor([0.25, 1.  ], dtype=float64)
    """

    def __init__(
        self,
        params: Any = None,
        lr: Any = 1e-3,
        betas: Sequence[float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, decoupled_weight_decay=True)


def _two(betas: Any) -> tuple[Any, Any]:
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise RetrogradError(f"Adam: betas are two numbers, not {betas!r}")
    return betas[0], betas[1]
