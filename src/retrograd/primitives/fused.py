"""Layers that are worth one primitive: softmax with cross-entropy, layer normalisation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from retrograd.core.dispatch import apply, apply1
from retrograd.core.primitive import Primitive
from retrograd.core.types import ArrayType, Outline
from retrograd.errors import DTypeError, ShapeError
from retrograd.primitives.families import Pointwise, behind_lanes, broadcast_to, lead, same_dtype, scalar, sum_to
from retrograd.primitives.movement import Reshape
from retrograd.primitives.reduction import Sum
from retrograd.primitives.vocabulary import BOXES as K


def _column(value: Any) -> Any:
    """A new last axis of length one."""
    return apply1(Reshape.of((*value.shape, 1)), value)


@dataclass(frozen=True)
class Softmax(Primitive):
    r"""Exponentials that sum to one along the last axis.

    .. math:: y_i = e^{x_i} / \textstyle\sum_j e^{x_j}, \qquad
        \bar x_i = y_i \big(\bar y_i - \textstyle\sum_j \bar y_j y_j\big)

    Derivation.  :math:`\partial y_i / \partial x_j = y_i ([i = j] - y_j)`.
    Numerics.  The largest element is subtracted first, so nothing overflows.
    """

    name, formula, derivative = "softmax", "exp(x) / sum(exp(x))", "out * (ct - sum(ct * out))"

    def evaluate(self, x: Any) -> Any:
        e = np.exp(x - np.maximum.reduce(x, axis=-1, keepdims=True, initial=-np.inf))
        e /= np.add.reduce(e, axis=-1, keepdims=True)
        return e

    def infer(self, *types: ArrayType) -> ArrayType:
        if not types[0].is_float:
            raise DTypeError(f"softmax needs floats, got {types[0]}; convert with .astype first")
        if not types[0].shape or types[0].shape[-1] == 0:
            raise ShapeError(f"softmax needs elements along its last axis, got {types[0]}")
        return types[0].strong()

    def keep(self, values: Sequence[Any], out: Any) -> tuple[Sequence[Any], Any]:
        return _NOTHING, out

    def vjp(self, ct: Any, args: Sequence[Any], out: Any) -> Sequence[Any]:
        weighted = ct * out
        return (weighted - out * apply1(Sum.of((len(out.shape) - 1,), True), weighted),)

    def batch(self, size: int, args: Sequence[Any], batched: Sequence[bool]) -> Any:
        return apply1(self, args[0])

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        yield (rng.normal(size=(4, 3)),)
        yield (rng.normal(size=5),)


_NOTHING = (None,)
SOFTMAX = Softmax.of()


@dataclass(frozen=True)
class OneHot(Primitive):
    r"""A one at the place of each label along a new last axis; zeros for a label outside. No derivative.

    .. math:: y_{ij} = [x_i = j]
    """

    classes: int
    dtype: np.dtype
    name, formula, derivative, differentiable = "one_hot", "x[:, None] == iota", "0", False

    def evaluate(self, labels: Any) -> Any:
        return np.equal(labels[..., None], np.arange(self.classes)).astype(self.dtype)

    def infer(self, *types: ArrayType) -> ArrayType:
        if types[0].dtype.kind not in "iu":
            raise DTypeError(f"labels must be integers, got {types[0]}")
        return ArrayType((*types[0].shape, self.classes), self.dtype)

    def batch(self, size: int, args: Sequence[Any], batched: Sequence[bool]) -> Any:
        return apply1(self, args[0])

    @classmethod
    def instances(cls) -> Sequence[Primitive]:
        return [OneHot(3, np.dtype("float64")), OneHot(4, np.dtype("float32"))]

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        yield (np.array([[0, 2], [1, 1]]),)
        yield (np.array(1),)


@dataclass(frozen=True)
class CheckLabels(Pointwise):
    r"""The labels as they are; one outside 0..classes-1 raises IndexError. :math:`y = x`. No derivative."""

    classes: int
    name, formula, derivative, differentiable, takes = "check_labels", "x", "0", False, "iu"
    raises = True

    @classmethod
    def instances(cls) -> Sequence[Primitive]:
        return [CheckLabels(3), CheckLabels(10)]

    def evaluate(self, labels: Any) -> Any:
        flat = labels.reshape(-1).astype(np.int64, copy=False)
        if flat.size and np.maximum.reduce(flat.view(np.uint64)) >= self.classes:  # as unsigned, a negative is large
            bad = flat[(flat < 0) | (flat >= self.classes)][0]
            raise IndexError(f"label {bad} with {self.classes} classes; labels are 0 to {self.classes - 1}")
        return labels

    def kernel(self, k: Any, x: Any) -> Any:
        return x

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        yield (np.array([[0, 2], [1, 1]]),)
        yield (np.array(1, np.int32),)


class SoftmaxCrossEntropy(Primitive):
    r"""Cross-entropy of a softmax with integer labels: logits (..., classes), labels (...), losses (...).

    .. math:: y = \ln \sum_j e^{x_j} - x_t, \qquad \bar x_j = \bar y\,(p_j - [j = t]), \quad
        p_j = e^{x_j} / \textstyle\sum_i e^{x_i}

    Derivation.  :math:`\partial y / \partial x_j = e^{x_j} / \sum_i e^{x_i} - [j = t]`.
    Numerics.  The largest logit is subtracted first, so nothing overflows. A label outside 0..classes-1 raises.
    """

    name, formula = "softmax_cross_entropy", "logsumexp(x) - x[label]"
    operands = ("x", "label")
    raises = True
    derivative = "ct * (softmax(x) - onehot(label))"

    def evaluate(self, logits: Any, labels: Any) -> Any:
        classes = logits.shape[-1]
        CheckLabels.of(classes).evaluate(labels)
        flat = labels.reshape(-1).astype(np.int64, copy=False)
        shifted = logits - np.maximum.reduce(logits, axis=-1, keepdims=True)
        total = np.log(np.add.reduce(np.exp(shifted), axis=-1))
        rows = shifted.reshape(-1, classes)
        return total - rows[np.arange(flat.size), flat].reshape(labels.shape)

    def infer(self, *types: ArrayType) -> ArrayType:
        logits, labels = types
        if labels.dtype.kind not in "iu" or not logits.is_float:
            raise DTypeError(f"softmax_cross_entropy needs float logits and integer labels, got {logits} and {labels}")
        if logits.shape[:-1] != labels.shape or logits.ndim == 0:
            raise ShapeError(
                f"logits of shape {logits.shape} need labels of shape {logits.shape[:-1]}, not {labels.shape}"
            )
        return ArrayType(labels.shape, logits.dtype)

    def keep(self, values: Sequence[Any], out: Any) -> tuple[Sequence[Any], Any]:
        return values, None

    def vjp(self, ct: Any, args: Sequence[Any], out: Any) -> Sequence[Any]:
        logits, labels = args

        def pull_logits() -> Any:
            hit = apply1(OneHot.of(logits.shape[-1], logits.dtype), labels)
            return (apply1(SOFTMAX, logits) - hit) * _column(ct)

        return pull_logits, None

    def batch(self, size: int, args: Sequence[Any], batched: Sequence[bool]) -> Any:
        return apply(self, *[lead(a, b, size) for a, b in zip(args, batched, strict=True)])

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        yield rng.normal(size=(4, 3)), np.array([0, 2, 1, 1])
        yield rng.normal(size=3), np.array(1)
        yield rng.normal(size=(2, 2, 5)), np.array([[4, 0], [2, 2]], np.int32)

    def kinks(self) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        yield ([[1e3, 0.0], [1e3, 1e3], [-1e3, -np.inf]], [1, 0, 0]), ([[1.0, -1.0], [-0.5, 0.5], [0.0, 0.0]],)


SOFTMAX_CROSS_ENTROPY = SoftmaxCrossEntropy.of()


@dataclass(frozen=True)
class LayerNorm(Primitive):
    r"""Normalise the last ``axes`` axes to mean 0 and variance 1, then scale and shift (Ba, Kiros, Hinton 2016).

    .. math:: \hat x = (x - \mu)\, r, \quad r = (\sigma^2 + \epsilon)^{-1/2}, \quad y = w \hat x + b

    .. math:: \bar x = r\,\big(g - \operatorname{mean} g - \hat x \operatorname{mean}(g \hat x)\big), \quad
        g = \bar y\, w, \qquad \bar w = \sum \bar y\, \hat x, \quad \bar b = \sum \bar y

    Derivation.  With :math:`\hat x` the normalised input, :math:`\partial \hat x_i / \partial x_j =
    r (\delta_{ij} - 1/n - \hat x_i \hat x_j / n)`; multiply by :math:`g_i` and sum over :math:`i`.
    """

    axes: int
    eps: float
    name, formula = "layer_norm", "(x - mean) / sqrt(var + eps) * w + b"
    operands = ("x", "w", "b")
    derivative = "r * (g - mean(g) - xhat * mean(g * xhat)),  sum(ct * xhat),  sum(ct)"

    @classmethod
    def instances(cls) -> Iterator[Primitive]:
        for axes in (1, 2):
            yield cls.of(axes, 1e-5)

    def _normalised(self, ndim: int) -> tuple[int, ...]:
        return tuple(range(ndim - self.axes, ndim))

    def evaluate(self, x: Any, weight: Any, bias: Any) -> Any:
        axes = self._normalised(x.ndim)
        centred = x - x.mean(axes, keepdims=True)
        variance = np.square(centred).mean(axes, keepdims=True)
        return centred / np.sqrt(variance + self.eps) * weight + bias

    def infer(self, *types: ArrayType) -> ArrayType:
        x, weight, bias = types
        dtype, _ = same_dtype(self.name, types)
        if dtype.kind != "f":
            raise DTypeError(f"layer_norm needs floats, got {', '.join(map(str, types))}; convert with .astype first")
        inner = x.shape[x.ndim - self.axes :]
        if self.axes > x.ndim or weight.shape != inner or bias.shape != inner:
            raise ShapeError(
                f"layer_norm of {x.shape} over {self.axes} axes: {weight.shape} and {bias.shape} must be {inner}"
            )
        return ArrayType(x.shape, dtype)

    def keep(self, values: Sequence[Any], out: Any) -> tuple[Sequence[Any], Any]:
        return [values[0], values[1], Outline(values[2])], None

    def vjp(self, ct: Any, args: Sequence[Any], out: Any) -> Sequence[Any]:
        x, weight, bias = args
        axes = self._normalised(len(x.shape))
        n = 1.0
        for a in axes:
            n *= x.shape[a]

        def mean(value: Any) -> Any:
            return apply1(Sum.of(axes, True), value) / n

        centred = x - mean(x)
        r = 1.0 / K.sqrt(mean(centred * centred) + self.eps)
        xhat = centred * r

        def pull_x() -> Any:
            g = ct * weight
            return r * (g - mean(g) - xhat * mean(g * xhat))

        return pull_x, lambda: sum_to(ct * xhat, weight.shape), lambda: sum_to(ct, bias.shape)

    def batch(self, size: int, args: Sequence[Any], batched: Sequence[bool]) -> Any:
        x, weight, bias = args
        own_x, own_weight, own_bias = batched
        inner = x.shape[len(x.shape) - self.axes :]
        if not own_weight and not own_bias:
            return apply(self, x, weight, bias)
        one, zero = (broadcast_to(scalar(c, x.dtype), inner) for c in (1, 0))
        plain = apply(self, lead(x, own_x, size), one, zero)
        rank = len(plain.shape)
        w, b = (behind_lanes(v, rank) if own else v for v, own in ((weight, own_weight), (bias, own_bias)))
        return plain * w + b

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        inner = (3, 4)[2 - self.axes :]
        for outer in ((2, 3, 4), inner):  # spread out: a small variance makes high derivatives large
            x = rng.permutation(np.arange(np.prod(outer))).reshape(outer) + rng.uniform(-0.3, 0.3, size=outer)
            yield x, rng.normal(size=inner), rng.normal(size=inner)
