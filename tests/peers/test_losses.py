"""Losses agree with PyTorch's: value and gradients, every argument, every reduction."""

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.peers
F = torch.nn.functional

RNG = np.random.default_rng(0)
SCORES, POINTS = RNG.normal(size=(6, 4)) * 3, RNG.normal(size=(6, 4))
LABELS = np.array([0, 3, 1, 1, 2, 0])
IMAGES, PIXELS = RNG.normal(size=(3, 4, 2, 5)), RNG.integers(0, 4, size=(3, 2, 5))
SHARES = RNG.dirichlet(np.ones(4), size=6)
IMAGE_SHARES = np.moveaxis(RNG.dirichlet(np.ones(4), size=(3, 2, 5)), -1, 1).copy()
CLASS_WEIGHT = np.array([1.0, 0.5, 2.0, 0.0])
ONE, ONE_LABEL = SCORES[0], np.array(2)
BITS = RNG.integers(0, 2, size=(6, 4)).astype(float)
HUGE = SCORES * 300.0

# (loss, PyTorch's, prediction, target, arguments)
CASES = [
    ("cross_entropy", SCORES, LABELS, {}),
    ("cross_entropy", HUGE, LABELS, {}),
    ("cross_entropy", ONE, ONE_LABEL, {}),
    ("cross_entropy", IMAGES, PIXELS, {}),
    ("cross_entropy", SCORES, LABELS.astype(np.int32), {}),
    ("cross_entropy", SCORES, LABELS, {"weight": CLASS_WEIGHT}),
    ("cross_entropy", IMAGES, PIXELS, {"weight": CLASS_WEIGHT}),
    ("cross_entropy", SCORES, LABELS, {"ignore_index": 1}),
    ("cross_entropy", SCORES, np.where(LABELS == 1, -100, LABELS), {"ignore_index": -100}),
    ("cross_entropy", SCORES, LABELS, {"ignore_index": 1, "weight": CLASS_WEIGHT}),
    ("cross_entropy", SCORES, LABELS, {"label_smoothing": 0.2}),
    ("cross_entropy", SCORES, LABELS, {"label_smoothing": 0.2, "weight": CLASS_WEIGHT}),
    ("cross_entropy", SCORES, LABELS, {"label_smoothing": 0.2, "weight": CLASS_WEIGHT, "ignore_index": 0}),
    ("cross_entropy", IMAGES, PIXELS, {"label_smoothing": 0.1, "ignore_index": 2}),
    ("cross_entropy", SCORES, SHARES, {}),
    ("cross_entropy", IMAGES, IMAGE_SHARES, {}),
    ("cross_entropy", SCORES, SHARES, {"label_smoothing": 0.2, "weight": CLASS_WEIGHT}),
    ("nll_loss", POINTS, LABELS, {}),
    ("nll_loss", IMAGES, PIXELS, {"weight": CLASS_WEIGHT, "ignore_index": 0}),
    ("nll_loss", ONE, ONE_LABEL, {}),
    ("mse_loss", POINTS, SCORES, {}),
    ("l1_loss", POINTS, SCORES, {}),
    ("huber_loss", POINTS, SCORES, {"delta": 0.7}),
    ("smooth_l1_loss", POINTS, SCORES, {"beta": 0.7}),
    ("smooth_l1_loss", POINTS, SCORES, {"beta": 0.0}),
    ("binary_cross_entropy_with_logits", SCORES, BITS, {}),
    ("binary_cross_entropy_with_logits", HUGE, BITS, {}),
    ("binary_cross_entropy_with_logits", SCORES, SHARES, {"weight": POINTS**2, "pos_weight": CLASS_WEIGHT + 0.5}),
]


def to_torch(value):
    return torch.from_numpy(value) if isinstance(value, np.ndarray) else value


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("case", range(len(CASES)))
def test_loss(case, reduction):
    name, prediction, target, arguments = CASES[case]
    soft = target.dtype.kind == "f"
    x, t = rg.tensor(prediction, requires_grad=True), rg.tensor(target, requires_grad=soft)
    ours = getattr(nn, name)(x, t, reduction=reduction, **arguments)
    tx = torch.tensor(prediction, requires_grad=True)
    tt = torch.tensor(target, requires_grad=True) if soft else torch.tensor(target, dtype=torch.int64)
    theirs = getattr(F, name)(tx, tt, reduction=reduction, **{k: to_torch(v) for k, v in arguments.items()})
    np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), rtol=1e-12, atol=1e-13)
    weights = np.random.default_rng(1).normal(size=ours.shape)
    rg.sum(ours * weights).backward()
    (theirs * torch.from_numpy(np.asarray(weights))).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), tx.grad.numpy(), rtol=1e-11, atol=1e-12)
    if soft:
        np.testing.assert_allclose(t.grad.numpy(), tt.grad.numpy(), rtol=1e-11, atol=1e-12)
