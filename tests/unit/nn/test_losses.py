"""Losses refuse what NumPy would let pass. That values agree with PyTorch's is tested in tests/peers."""

import math

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn
from retrograd.errors import DTypeError, RetrogradError, ShapeError

SCORES = np.random.default_rng(0).normal(size=(64, 10)).astype(np.float32)
LABELS = np.arange(64) % 10
PAIRWISE = [nn.mse_loss, nn.l1_loss, nn.huber_loss, nn.smooth_l1_loss, nn.binary_cross_entropy_with_logits]


def test_cross_entropy_of_even_scores_is_the_logarithm_of_the_classes():
    assert nn.cross_entropy(rg.zeros((4, 10)), [0, 3, 9, 1]).item() == pytest.approx(math.log(10))


@pytest.mark.parametrize("loss", PAIRWISE, ids=lambda f: f.__name__)
def test_shapes_that_only_broadcast_are_refused(loss):
    with pytest.raises(
        ShapeError, match=r"the prediction has shape \(64, 1\) and the target \(64,\).*target\[:, None\]"
    ):
        loss(rg.zeros((64, 1)), rg.zeros(64))
    with pytest.raises(ShapeError, match="must agree"):
        loss(rg.zeros(3), rg.zeros(1))


@pytest.mark.parametrize("loss", PAIRWISE, ids=lambda f: f.__name__)
def test_widths_that_differ_are_refused(loss):
    with pytest.raises(
        DTypeError, match=r"the prediction is float32 and the target float64.*target\.astype\('float32'\)"
    ):
        loss(rg.zeros(3), np.zeros(3))


@pytest.mark.parametrize("loss", PAIRWISE, ids=lambda f: f.__name__)
def test_integers_lists_and_numbers_are_targets(loss):
    x = rg.tensor([0.5, 1.5], dtype="float64")
    expected = loss(x, np.array([0.0, 0.0])).item()
    for target in (np.array([0, 0]), np.array([False, False]), [0.0, 0.0], [0, 0], 0.0, 0):
        y = loss(x, target)
        assert (y.item(), y.dtype) == (expected, np.float64)
    with pytest.raises(DTypeError, match=f"{loss.__name__} needs floats, not int64"):
        loss(np.array([1, 2]), x)


@pytest.mark.parametrize(
    "labels, error, message",
    [
        (LABELS[:, None], ShapeError, r"labels of shape \(64,\) are needed, not \(64, 1\).*labels\.squeeze\(-1\)"),
        (LABELS[:32], ShapeError, r"labels of shape \(64,\) are needed, not \(32,\)"),
        (np.eye(10, dtype=int)[LABELS], ShapeError, r"for one-hot rows give floats, or labels\.argmax\(-1\)"),
        (LABELS.astype(np.float32), DTypeError, r"class labels are integers, not float32.*\.astype\('int64'\)"),
        (LABELS > 5, DTypeError, "class labels are integers, not bool"),
        (np.zeros((64, 10)), DTypeError, r"the prediction is float32 and the target float64"),
        (LABELS + 1, IndexError, "label 10 with 10 classes; labels are 0 to 9"),
        (LABELS - 1, IndexError, "label -1 with 10 classes"),
    ],
)
def test_cross_entropy_checks_its_labels(labels, error, message):
    with pytest.raises(error, match=message):
        nn.cross_entropy(SCORES, labels)


def test_a_label_out_of_range_is_found_in_a_program_too():
    run = rg.jit(lambda x, y: nn.cross_entropy(x, y))
    run(SCORES, LABELS)
    with pytest.raises(IndexError, match="label 10 with 10 classes"):
        run(SCORES, LABELS + 1)


@pytest.mark.parametrize("bad", [-1, 10])
def test_nll_loss_checks_its_labels(bad):
    labels = np.where(LABELS == 3, bad, LABELS)
    with pytest.raises(IndexError, match=f"nll_loss: index {bad} is outside of 0 to 9"):
        nn.nll_loss(SCORES, labels)
    with pytest.raises(IndexError):
        rg.jit(lambda x, y: nn.nll_loss(x, y))(SCORES, labels)


def test_narrow_label_dtypes_hold_more_classes_than_they_can_count():
    scores = rg.zeros((2, 300))
    for dtype in (np.int8, np.uint8, np.int32):
        assert nn.cross_entropy(scores, np.array([0, 100], dtype)).item() == pytest.approx(math.log(300), rel=1e-6)


def test_cross_entropy_refuses_other_arguments():
    with pytest.raises(RetrogradError, match="'mean', 'sum' or 'none', not 'average'"):
        nn.cross_entropy(SCORES, LABELS, reduction="average")
    with pytest.raises(RetrogradError, match=r"between 0 and 1, not 1\.5"):
        nn.cross_entropy(SCORES, LABELS, label_smoothing=1.5)
    with pytest.raises(RetrogradError, match="the target holds probabilities"):
        nn.cross_entropy(SCORES, np.full((64, 10), 0.1, np.float32), ignore_index=0)
    with pytest.raises(ShapeError, match=r"a weight for each of 10 classes has shape \(10,\), not \(9,\)"):
        nn.cross_entropy(SCORES, LABELS, np.ones(9, np.float32))
    with pytest.raises(DTypeError, match="cross_entropy: weight: the input is float64"):
        nn.cross_entropy(SCORES, LABELS, np.ones(10))
    with pytest.raises(ShapeError, match="no axis of classes"):
        nn.cross_entropy(rg.tensor(1.0), 0)
    with pytest.raises(DTypeError, match="cross_entropy needs floats, not int64"):
        nn.cross_entropy(LABELS[:, None], LABELS)


def test_weights_that_would_stretch_the_loss_are_refused():
    with pytest.raises(ShapeError, match=r"a weight of shape \(3, 2\) does not broadcast to \(2,\)"):
        nn.binary_cross_entropy_with_logits(rg.zeros(2), rg.zeros(2), rg.ones((3, 2)))


def test_losses_of_huge_scores_are_exact():
    x = rg.tensor([1e4, -1e4], dtype="float64", requires_grad=True)
    loss = nn.binary_cross_entropy_with_logits(x, [1.0, 0.0], reduction="sum")
    assert loss.item() == 0
    wrong = nn.binary_cross_entropy_with_logits(x, [0.0, 1.0], reduction="sum")
    assert wrong.item() == 2e4
    wrong.backward()
    assert x.grad.tolist() == [1, -1]
    small = nn.binary_cross_entropy_with_logits(rg.tensor([50.0, -50.0], dtype="float64"), [1.0, 0.0], reduction="none")
    assert small.numpy() == pytest.approx([math.exp(-50)] * 2, rel=1e-14)


@pytest.mark.parametrize("reduction, shape", [("mean", ()), ("sum", ()), ("none", (64,))])
def test_reductions(reduction, shape):
    loss = nn.cross_entropy(SCORES, LABELS, reduction=reduction)
    assert (loss.shape, loss.dtype) == (shape, np.float32)


@pytest.mark.parametrize("loss", [*PAIRWISE, nn.cross_entropy], ids=lambda f: f.__name__)
def test_losses_run_everywhere(loss, check_gradient):
    x = np.random.default_rng(0).normal(size=(5, 3))
    t = np.random.default_rng(1).dirichlet(np.ones(3), 5)
    eager = loss(x, t, reduction="none")
    staged = rg.jit(lambda a, b: loss(a, b, reduction="none"))(x, t)
    np.testing.assert_allclose(staged.numpy(), eager.numpy(), rtol=1e-13, strict=True)
    lanes = rg.vmap(lambda a, b: loss(a, b, reduction="none"))(x, t)
    np.testing.assert_allclose(lanes.numpy(), eager.numpy(), rtol=1e-12)
    check_gradient(loss, x, t)


def test_huber_and_smooth_l1_refuse_thresholds_that_make_no_sense():
    with pytest.raises(RetrogradError, match="delta is positive, not 0"):
        nn.huber_loss(rg.zeros(2), 0.0, delta=0)
