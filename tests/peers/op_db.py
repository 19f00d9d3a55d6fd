"""Run the samples of PyTorch's `op_db` entries through our functions: value and gradient, and keep count."""

from dataclasses import dataclass, field
from functools import cache

import numpy as np
import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

import retrograd as rg
from tests.peers.adapters import ADAPTERS, Unsupported

ENTRIES = {f"{o.name}.{o.variant_test_name}" if o.variant_test_name else o.name: o for o in op_db}

# What our functions refuse on purpose: part of the message -> the reason that the page gives.
ON_PURPOSE = {
    "is out of range for 0 axes": "an axis of a scalar: it has none",
    "indices for 0 axes": "an axis of a scalar: it has none",
    "concatenate: axis 1 is out of range for 1 axes": "an empty array of another rank among those joined",
}


@dataclass
class Outcome:
    """What became of an entry's samples."""

    run: int = 0
    gradients: int = 0
    exceptions: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


def samples_of(name):
    op = ENTRIES[name]
    torch.manual_seed(0)
    np.random.seed(0)
    dtype = torch.float64 if torch.float64 in op.dtypes else torch.int64
    return op, op.sample_inputs("cpu", dtype, requires_grad=op.supports_autograd and dtype.is_floating_point)


def ours(x):
    """An argument of PyTorch's as one of ours."""
    if isinstance(x, torch.Tensor):
        if x.is_complex():
            raise Unsupported("complex numbers")
        return rg.asarray(x.detach().resolve_neg().numpy())
    return x


def run(name):
    """All samples of an entry."""
    outcome = Outcome()
    op, samples = samples_of(name)
    for number, sample in enumerate(samples):
        try:
            outcome.gradients += compare(op, ADAPTERS[name], sample)
            outcome.run += 1
        except Unsupported as reason:
            outcome.exceptions[str(reason)] = outcome.exceptions.get(str(reason), 0) + 1
        except Exception as error:  # noqa: BLE001 - any exception is a failure of this sample, not of the run
            reason = next((why for part, why in ON_PURPOSE.items() if part in str(error)), None)
            if reason is not None:
                outcome.exceptions[reason] = outcome.exceptions.get(reason, 0) + 1
                continue
            outcome.failures.append(f"sample {number} {describe(sample)}: {type(error).__name__}: {error}")
    return outcome


def describe(sample):
    def show(x):
        return f"{str(x.dtype)[6:]}{list(x.shape)}" if isinstance(x, torch.Tensor) else x

    return str(tree_map(show, (sample.input, sample.args, sample.kwargs)))


def compare(op, adapter, sample):
    """Values, then gradients in a random direction; how many gradients were compared."""
    flat, spec = tree_flatten((sample.input, tuple(sample.args), dict(sample.kwargs)))
    values = [ours(x) for x in flat]
    places = [i for i, x in enumerate(flat) if isinstance(x, torch.Tensor) and x.requires_grad]

    def call(*xs):
        new = list(values)
        for i, x in zip(places, xs, strict=True):
            new[i] = x
        first, args, kwargs = tree_unflatten(new, spec)
        found = adapter(first, *args, **kwargs)
        return tuple(found) if isinstance(found, (tuple, list)) else (found,)

    wanted = op(sample.input, *sample.args, **sample.kwargs)
    wanted = tuple(map(torch.as_tensor, wanted if isinstance(wanted, (tuple, list)) else (wanted,)))
    if not places:
        same(call(), wanted)
        return 0
    found, pull = rg.vjp(call, *[values[i] for i in places])
    same(found, wanted)
    rng = np.random.default_rng(0)
    cotangents = [
        rng.normal(size=tuple(w.shape)) if w.is_floating_point() else np.zeros(tuple(w.shape)) for w in wanted
    ]
    live = [i for i, w in enumerate(wanted) if w.requires_grad]
    if not live:
        return 0
    theirs = torch.autograd.grad(
        [wanted[i] for i in live], [flat[i] for i in places],
        [torch.as_tensor(cotangents[i]).to(wanted[i].dtype) for i in live], allow_unused=True,
    )  # fmt: skip
    cts = tuple(
        c.astype(f.dtype) if i in live else np.zeros(f.shape, f.dtype)
        for i, (c, f) in enumerate(zip(cotangents, found, strict=True))
    )
    pulled = pull(cts)
    zeroed = [torch.zeros_like(flat[i]) if g is None else g for i, g in zip(places, theirs, strict=True)]
    same(pulled, zeroed)
    return len(places)


def same(found, wanted):
    """Within PyTorch's own tolerances for the dtype."""
    if len(found) != len(wanted):
        raise AssertionError(f"{len(found)} results, not {len(wanted)}")
    for f, w in zip(found, wanted, strict=True):
        f = torch.as_tensor(np.array(f))
        torch.testing.assert_close(f, w.detach(), equal_nan=True)


@cache
def outcome(name):
    """The outcome of an entry, worked out once."""
    return run(name)


def outcomes():
    """The outcome of every entry that has an adapter."""
    return {name: outcome(name) for name in ADAPTERS if name in ENTRIES}
