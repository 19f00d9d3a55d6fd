"""Losses. Names, arguments and reductions are PyTorch's.

Every loss has ``reduction``: "mean" over all elements (or examples), "sum", or "none" for one loss each.
"""

from __future__ import annotations

from typing import Any

from retrograd.config import INT
from retrograd.core.dispatch import apply1, apply2
from retrograd.core.source import at_user_line
from retrograd.errors import RetrogradError, ShapeError
from retrograd.nn import checks
from retrograd.nn.checks import check_reduction, float_input, number_or_array, pair, same_width
from retrograd.ops import arithmetic as a
from retrograd.ops.indexing import take, take_along_axis
from retrograd.ops.inputs import face
from retrograd.ops.reductions import log_softmax
from retrograd.ops.reductions import sum as _sum
from retrograd.ops.shaping import expand_dims, moveaxis, squeeze
from retrograd.primitives.fused import SOFTMAX_CROSS_ENTROPY
from retrograd.primitives.reduction import Mean, Sum


def reduced(losses: Any, reduction: str) -> Any:
    """The mean or sum of all losses, or the losses."""
    if reduction == "none":
        return face(losses)
    family = Mean if reduction == "mean" else Sum
    return face(apply1(family.of(tuple(range(len(losses.shape))), False), losses))


def _classes_last(what: str, x: Any) -> Any:
    """Scores (C,), (N, C) or (N, C, d1, ...) with the classes on the last axis."""
    if not x.shape:
        raise ShapeError(f"{what}: scores of shape () have no axis of classes")
    return moveaxis(x, 1, -1) if len(x.shape) > 2 else x


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    r"""Cross-entropy of the softmax of scores.

    .. math:: \ell = -w_t \ln p_t, \quad p_j = e^{x_j} / \textstyle\sum_i e^{x_i}; \qquad
        \ell = -\textstyle\sum_j w_j\, t_j \ln p_j \text{ for probabilities } t

    Args:
        input: scores (logits): (C,), (N, C) or (N, C, d1, ...).
        target: integer labels of shape (), (N,) or (N, d1, ...), each from 0 to C - 1; or probabilities of the shape of
            the scores.
        weight: a weight for each class, (C,). The mean over labels is then the weighted mean.
        ignore_index: a label whose examples count for nothing. (PyTorch's default of -100 has to be asked for.)
        reduction: "mean", "sum" or "none".
        label_smoothing: how much of the target is spread evenly over all classes. Szegedy et al. (2016), section 7.

    Returns:
        A scalar, or with "none" the shape of the labels.

    Raises:
        IndexError: for a label outside of 0 to C - 1.
        ShapeError: for labels of another shape, also where they would broadcast.
        DTypeError: for labels that are floats.

    >>> import retrograd as rg
    >>> cross_entropy(rg.zeros((2, 4)), [0, 3])
    tensor(1.3862944, dtype=float32)
    """
    check_reduction("cross_entropy", reduction)
    x = float_input("cross_entropy", input)
    labels = number_or_array(target, x.dtype)
    shape = x.shape
    plain = weight is None and ignore_index is None and label_smoothing == 0.0
    if plain and len(shape) == 2 and labels.shape == shape[:1] and labels.dtype is INT:  # nearly every call
        return reduced(apply2(SOFTMAX_CROSS_ENTROPY, x, labels), reduction)
    if not 0.0 <= label_smoothing <= 1.0:
        raise RetrogradError(f"cross_entropy: label_smoothing is between 0 and 1, not {label_smoothing}")
    x = _classes_last("cross_entropy", x)
    classes = x.shape[-1]
    w = None if weight is None else _class_weight("cross_entropy", weight, x.dtype, classes)
    if labels.dtype.kind == "f" and labels.shape == shape:
        if ignore_index is not None:
            raise RetrogradError("cross_entropy: ignore_index is for labels, the target holds probabilities")
        return _of_probabilities(x, labels, w, reduction, label_smoothing)
    labels = checks.labels_for("cross_entropy", labels, tuple(x.shape[:-1]), classes)
    labels, counted = _counted(labels, ignore_index)
    losses = face(apply2(SOFTMAX_CROSS_ENTROPY, x, labels))
    share = None if w is None else take(w, labels, axis=0)
    if share is not None:
        losses = losses * share
    if label_smoothing:
        logs = log_softmax(x)
        even = -_sum(logs if w is None else logs * w, axis=-1) / float(classes)
        losses = losses * (1.0 - label_smoothing) + even * label_smoothing
    return _weighted(losses, share, counted, reduction)


def nll_loss(
    input: Any, target: Any, weight: Any = None, *, ignore_index: int | None = None, reduction: str = "mean"
) -> Any:
    r"""Negative log-likelihood of labels: :math:`\ell = -w_t\, x_t` for log-probabilities x.

    Args:
        input: log-probabilities: (C,), (N, C) or (N, C, d1, ...).
        target: integer labels of shape (), (N,) or (N, d1, ...), each from 0 to C - 1.
        weight: a weight for each class, (C,). The mean is then the weighted mean.
        ignore_index: a label whose examples count for nothing.
        reduction: "mean", "sum" or "none".
    """
    check_reduction("nll_loss", reduction)
    x = _classes_last("nll_loss", float_input("nll_loss", input))
    classes = x.shape[-1]
    w = None if weight is None else _class_weight("nll_loss", weight, x.dtype, classes)
    labels, counted = _counted(checks.labels_for("nll_loss", target, tuple(x.shape[:-1]), classes), ignore_index)
    labels = checks.never_negative("nll_loss", labels, classes)
    losses = -squeeze(take_along_axis(x, expand_dims(labels, -1), axis=-1), axis=-1)
    share = None if w is None else take(w, labels, axis=0)
    return _weighted(losses if share is None else losses * share, share, counted, reduction)


def _class_weight(what: str, weight: Any, dtype: Any, classes: int) -> Any:
    w = same_width(f"{what}: weight", number_or_array(weight, dtype), dtype)
    if tuple(w.shape) != (classes,):
        raise ShapeError(f"{what}: a weight for each of {classes} classes has shape ({classes},), not {tuple(w.shape)}")
    return w


def _counted(labels: Any, ignore_index: int | None) -> tuple[Any, Any]:
    """Labels with a harmless one in the places to ignore, and where they count (None: everywhere)."""
    if ignore_index is None:
        return labels, None
    counted = a.not_equal(labels, ignore_index)
    return a.where(counted, labels, 0), counted


def _weighted(losses: Any, share: Any, counted: Any, reduction: str) -> Any:
    """Losses reduced; the mean is weighted with the examples' shares, and looks at those that count only."""
    if counted is not None:
        losses = a.where(counted, losses, 0.0)
    if reduction != "mean" or (share is None and counted is None):
        return reduced(losses, reduction)
    if share is None:
        share = a.astype(counted, losses.dtype)
    elif counted is not None:
        share = a.where(counted, share, 0.0)
    return _sum(losses) / _sum(share)


def _of_probabilities(x: Any, target: Any, w: Any, reduction: str, smoothing: float) -> Any:
    x, target = pair("cross_entropy", x, _classes_last("cross_entropy", target))
    if smoothing:
        target = face(target) * (1.0 - smoothing) + smoothing / x.shape[-1]
    terms = log_softmax(x) * target
    return reduced(-_sum(terms if w is None else terms * w, axis=-1), reduction)


def mse_loss(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    r"""Squared error: :math:`\ell = (x - t)^2`. Prediction and target have one shape.

    >>> mse_loss([1.0, 2.0], [0.0, 0.0])
    tensor(2.5, dtype=float32)
    """
    check_reduction("mse_loss", reduction)
    x, t = pair("mse_loss", input, target)
    return reduced(a.square(a.subtract(x, t)), reduction)


def l1_loss(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    r"""Absolute error: :math:`\ell = |x - t|`; the derivative at 0 is 0. Prediction and target have one shape."""
    check_reduction("l1_loss", reduction)
    x, t = pair("l1_loss", input, target)
    return reduced(a.absolute(a.subtract(x, t)), reduction)


def huber_loss(input: Any, target: Any, *, reduction: str = "mean", delta: float = 1.0) -> Any:
    r"""Squared near zero, linear beyond `delta`.

    .. math:: \ell = \tfrac12 e^2 \text{ if } |e| \le \delta, \text{ else } \delta (|e| - \tfrac12 \delta); \; e = x - t

    Huber (1964), section 1.
    """
    if not delta > 0.0:
        raise RetrogradError(f"huber_loss: delta is positive, not {delta}")
    return reduced(_huber("huber_loss", input, target, reduction, delta), reduction)


def _huber(what: str, input: Any, target: Any, reduction: str, delta: float) -> Any:
    check_reduction(what, reduction)
    x, t = pair(what, input, target)
    error = a.absolute(a.subtract(x, t))
    near = a.minimum(error, delta)  # n (e - n / 2), with n = e near zero and n = delta beyond
    return near * (error - near * 0.5)


def smooth_l1_loss(input: Any, target: Any, *, reduction: str = "mean", beta: float = 1.0) -> Any:
    r"""The Huber loss divided by its `beta`, so that its slope far from zero is 1; with beta 0 the absolute error.

    Girshick (2015), equation 3.
    """
    if not beta >= 0.0:
        raise RetrogradError(f"smooth_l1_loss: beta is at least 0, not {beta}")
    if beta == 0.0:
        return l1_loss(input, target, reduction=reduction)
    return reduced(_huber("smooth_l1_loss", input, target, reduction, beta) / beta, reduction)


def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, *, reduction: str = "mean", pos_weight: Any = None
) -> Any:
    r"""Cross-entropy of a logistic sigmoid of scores, accurate for scores of any size.

    .. math:: \ell = -w \big(q\, t \ln \sigma(x) + (1 - t) \ln \sigma(-x)\big)

    Args:
        input: scores of any shape.
        target: probabilities, or labels 0 and 1, of the same shape.
        weight: a factor for each loss; broadcasts.
        reduction: "mean", "sum" or "none".
        pos_weight: the factor q of the positive part; broadcasts.
    """
    check_reduction("binary_cross_entropy_with_logits", reduction)
    x, t = pair("binary_cross_entropy_with_logits", input, target)
    positive = a.softplus(a.negative(x)) * t
    if pos_weight is not None:
        positive = positive * _factor(pos_weight, x)
    losses = positive + a.softplus(x) * a.subtract(1.0, t)
    return reduced(losses if weight is None else losses * _factor(weight, x), reduction)


def _factor(value: Any, x: Any) -> Any:
    w = same_width("binary_cross_entropy_with_logits: weight", number_or_array(value, x.dtype), x.dtype)
    if len(w.shape) > len(x.shape) or any(n not in (1, m) for n, m in zip(w.shape[::-1], x.shape[::-1], strict=False)):
        raise ShapeError(
            f"binary_cross_entropy_with_logits: a weight of shape {tuple(w.shape)} does not broadcast to "
            f"{tuple(x.shape)}{at_user_line()}"
        )
    return w
