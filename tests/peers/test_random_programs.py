"""Random programs: values and gradients are PyTorch's."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import retrograd as rg
from tests.property.random_programs import RETROGRAD, of, programs

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.peers, pytest.mark.timeout(1200)]


def padded(x, widths):
    return torch.nn.functional.pad(x, [w for pair in reversed(widths) for w in pair])


def reduced(f):
    return lambda x, axes, keep: f(x, axes, keepdim=keep) if axes else x + 0.0


def indexed(x, key):
    """As NumPy has it: beside an index array an integer is one too."""
    advanced = any(isinstance(k, np.ndarray) for k in key.key)
    one = lambda k: torch.as_tensor(k) if isinstance(k, np.ndarray) else torch.tensor([k]) if type(k) is int else k
    return x[tuple(one(k) if advanced else k for k in key.key)]


def products(x, axes, keepdims):
    """One axis after another: PyTorch takes one at a time."""
    for a in axes[::-1]:
        x = torch.prod(x, a, keepdims)
    return x


class Names:
    """PyTorch under NumPy's names."""

    def __getattr__(self, name):
        return getattr(torch, name)


def torch_names():
    F = torch.nn.functional
    return of(
        Names(), sigmoid=torch.sigmoid, softplus=lambda x: torch.logaddexp(x, torch.zeros((), dtype=x.dtype)),
        erf=torch.erf, relu=torch.relu, sum=reduced(torch.sum), mean=reduced(torch.mean), max=reduced(torch.amax),
        min=reduced(torch.amin), logsumexp=reduced(torch.logsumexp), softmax=lambda x, a: F.softmax(x, a),
        prod=products, cumsum=torch.cumsum, cumprod=torch.cumprod, roll_by_one=lambda x, a: torch.roll(x, 1, a),
        transpose=lambda x, order: x.permute(order),
        reshape=lambda x, s: x.reshape(s), flip=lambda x, a: torch.flip(x, (a,)), broadcast_to=torch.broadcast_to,
        pad=padded,
        concatenate=lambda x, y, a: torch.cat([x, y], a), times_own_transpose=lambda x: x @ x.mT, getitem=indexed,
    )  # fmt: skip


@settings(max_examples=1500, suppress_health_check=list(HealthCheck))
@given(programs(steps=12))
def test_values_and_gradients(program):
    inputs = program.inputs()
    leaves = [torch.tensor(x, requires_grad=True) for x in inputs]
    theirs = program.run(torch_names(), leaves)
    ours, pull = rg.vjp(lambda *xs: program.run(RETROGRAD, xs), *inputs)
    rng = np.random.default_rng(2)
    us = [np.asarray(rng.normal(size=o.shape), program.dtype) for o in ours]
    for o, t in zip(ours, theirs, strict=True):
        torch.testing.assert_close(torch.tensor(np.array(o)), t.detach(), **tolerance(program))
    total = sum(
        (torch.sum(t * torch.as_tensor(u)) for t, u in zip(theirs, us, strict=True)), start=leaves[0].sum() * 0.0
    )
    grads = torch.autograd.grad(total, leaves, allow_unused=True)
    for g, t, x in zip(pull(tuple(us)), grads, leaves, strict=True):
        wanted = torch.zeros_like(x) if t is None else t
        torch.testing.assert_close(torch.tensor(np.array(g)), wanted, **tolerance(program))


def tolerance(program):
    """PyTorch's own; in float32 sums of the many terms of a long program differ by more."""
    return {} if program.dtype == "float64" else {"rtol": 1e-3, "atol": 1e-3}
