"""A state_dict moves both ways between retrograd and PyTorch, and the networks then compute the same."""

import copy
from collections import OrderedDict

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.peers


def networks():
    """(name, ours, PyTorch's, an input)."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(5, 6))
    numbers = rng.integers(0, 7, size=(3, 2))
    t = torch.nn
    yield "linear", nn.Linear(6, 4), t.Linear(6, 4), points
    yield "linear without bias", nn.Linear(6, 4, bias=False), t.Linear(6, 4, bias=False), points
    yield "linear on one point", nn.Linear(6, 4), t.Linear(6, 4), points[0]
    yield "linear on three axes", nn.Linear(6, 4), t.Linear(6, 4), rng.normal(size=(2, 3, 6))
    yield "layer norm", nn.LayerNorm(6), t.LayerNorm(6), points
    yield "layer norm over two axes", nn.LayerNorm((3, 2)), t.LayerNorm((3, 2)), points.reshape(5, 3, 2)
    yield "layer norm without shift", nn.LayerNorm(6, bias=False), t.LayerNorm(6, bias=False), points
    yield (
        "layer norm without parameters",
        nn.LayerNorm(6, elementwise_affine=False, eps=0.1),
        t.LayerNorm(6, 0.1, False),
        points,
    )
    yield "embedding", nn.Embedding(7, 3), t.Embedding(7, 3), numbers
    yield "dropout", nn.Dropout(0.3).eval(), t.Dropout(0.3).eval(), points
    yield "identity", nn.Identity(3), t.Identity(3), points
    yield "flatten", nn.Flatten(), t.Flatten(), points.reshape(5, 3, 2)
    yield "tanh", nn.Tanh(), t.Tanh(), points
    yield "sigmoid", nn.Sigmoid(), t.Sigmoid(), points
    yield "relu", nn.ReLU(), t.ReLU(), points
    yield "softplus", nn.Softplus(), t.Softplus(), points
    yield "softplus, steep", nn.Softplus(3.0), t.Softplus(3.0), points
    yield "gelu", nn.GELU(), t.GELU(), points
    yield "gelu by tanh", nn.GELU("tanh"), t.GELU("tanh"), points
    yield "silu", nn.SiLU(), t.SiLU(), points
    yield "leaky relu", nn.LeakyReLU(0.2), t.LeakyReLU(0.2), points
    yield "softmax", nn.Softmax(0), t.Softmax(0), points
    yield "log softmax", nn.LogSoftmax(-1), t.LogSoftmax(-1), points
    yield (
        "nested",
        nn.Sequential(
            nn.Embedding(7, 3),
            nn.Flatten(),
            nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5), nn.GELU()),
            nn.Dropout(0.0),
            nn.Sequential({"head": nn.Linear(5, 2), "out": nn.LogSoftmax()}),
        ),
        t.Sequential(
            t.Embedding(7, 3),
            t.Flatten(),
            t.Sequential(t.Linear(6, 5), t.LayerNorm(5), t.GELU()),
            t.Dropout(0.0),
            t.Sequential(OrderedDict(head=t.Linear(5, 2), out=t.LogSoftmax(-1))),
        ),
        numbers,
    )


with rg.default_dtype("float64"):
    CASES = {name: rest for name, *rest in networks()}


def both(case):
    """The two networks of a case, in float64, and its input."""
    ours, theirs, x = copy.deepcopy(CASES[case])
    return nn.Sequential(ours), torch.nn.Sequential(theirs).double(), x


def inputs(x):
    if x.dtype.kind != "f":
        return rg.tensor(x), torch.from_numpy(x)
    return rg.tensor(x, requires_grad=True), torch.from_numpy(x).requires_grad_()


@pytest.mark.parametrize("case", CASES)
def test_names_shapes_and_order_agree(case):
    ours, theirs, _ = both(case)
    assert {n: v.shape for n, v in ours.state_dict().items()} == {
        n: tuple(v.shape) for n, v in theirs.state_dict().items()
    }
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]


@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients_agree_after_loading_theirs(case):
    ours, theirs, x = both(case)
    assert ours.load_state_dict(theirs.state_dict()) == ([], [])
    compare(ours, theirs, x)


@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients_agree_after_loading_ours(case):
    ours, theirs, x = both(case)
    theirs.load_state_dict({name: torch.from_numpy(value) for name, value in ours.state_dict().items()})
    compare(ours, theirs, x)


def compare(ours, theirs, x):
    theirs.zero_grad()
    ours.zero_grad()
    ox, tx = inputs(x)
    oy, ty = ours(ox), theirs(tx)
    np.testing.assert_allclose(oy.numpy(), ty.detach().numpy(), rtol=1e-12, atol=1e-12)
    weights = np.random.default_rng(1).normal(size=oy.shape)
    if oy.requires_grad:
        rg.sum(oy * weights).backward()
        (ty * torch.from_numpy(weights)).sum().backward()
    if ox.requires_grad:
        np.testing.assert_allclose(ox.grad.numpy(), tx.grad.numpy(), rtol=1e-11, atol=1e-12)
    for (name, p), (_, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-11, atol=1e-12, err_msg=name)


def test_other_widths_and_parameters_with_a_tape_are_loaded():
    theirs = torch.nn.Linear(3, 2)
    ours = nn.Linear(3, 2)
    ours.load_state_dict(dict(theirs.named_parameters()))  # tensors that require gradients
    np.testing.assert_array_equal(ours.weight.numpy(), theirs.weight.detach().numpy())
    for narrow in (torch.float16, torch.bfloat16, torch.float64):
        ours.load_state_dict({n: v.to(narrow) for n, v in theirs.state_dict().items()})
        np.testing.assert_array_equal(ours.weight.numpy(), theirs.weight.detach().to(narrow).float().numpy())


def test_initial_values_have_pytorchs_distribution():
    ours, theirs = nn.Linear(50, 2000), torch.nn.Linear(50, 2000)
    for name in ("weight", "bias"):
        mine, torchs = getattr(ours, name).numpy(), getattr(theirs, name).detach().numpy()
        assert abs(mine).max() <= 50**-0.5
        assert mine.std() == pytest.approx(torchs.std(), rel=0.05)
        assert mine.mean() == pytest.approx(0.0, abs=0.01)
    assert nn.Embedding(500, 50).weight.numpy().std() == pytest.approx(1.0, rel=0.02)
