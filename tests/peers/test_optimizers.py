"""Twenty optimiser steps agree with PyTorch's to 1e-6 in float64, with every option."""

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn, optim

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.peers


@pytest.fixture(autouse=True, scope="module")
def _pytorch_is_loaded_whole():
    """Its first optimiser imports the compiler, which sets an environment variable."""
    torch.optim.SGD([torch.zeros(1, requires_grad=True)])


OPTIONS = {
    "SGD": [
        {"lr": 0.3},
        {"lr": 0.1, "momentum": 0.9},
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.3},
        {"lr": 0.1, "weight_decay": 0.05},
        {"lr": 0.1, "momentum": 0.8, "nesterov": True},
        {"lr": 0.1, "momentum": 0.8, "weight_decay": 0.05, "nesterov": True},
        {"lr": 0.1, "momentum": 0.8, "weight_decay": 0.05, "dampening": 0.5},
    ],
    "Adam": [
        {},
        {"lr": 0.05},
        {"lr": 0.05, "betas": (0.5, 0.9)},
        {"lr": 0.05, "eps": 1e-2},
        {"lr": 0.05, "weight_decay": 0.1},
        {"lr": 0.05, "betas": (0.0, 0.9), "eps": 1e-3, "weight_decay": 0.01},
    ],
}
CASES = [(name, options) for name, listed in OPTIONS.items() for options in listed]

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(32, 5)), RNG.integers(0, 3, 32)


def both():
    theirs = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)).double()
    ours = nn.Sequential(nn.Linear(5, 8, dtype="float64"), nn.Tanh(), nn.Linear(8, 3, dtype="float64"))
    state = ours.state_dict()
    theirs.load_state_dict({n: torch.from_numpy(v) for n, v in state.items()})
    return ours, theirs


def assert_equal(ours, theirs):
    for (name, p), (_, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=0, atol=1e-12, err_msg=name)


def step_theirs(model, optimizer):
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(model(torch.from_numpy(X)), torch.from_numpy(Y)).backward()
    optimizer.step()


@pytest.mark.parametrize("name, options", CASES)
def test_twenty_steps(name, options):
    ours, theirs = both()
    mine = getattr(optim, name)(ours.parameters(), **options)
    torchs = getattr(torch.optim, name)(theirs.parameters(), **options)
    for _ in range(20):
        mine.zero_grad()
        nn.cross_entropy(ours(X), Y).backward()
        mine.step()
        step_theirs(theirs, torchs)
        assert_equal(ours, theirs)


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_twenty_steps_with_settings_changed_on_the_way(name):
    ours, theirs = both()
    options = {"momentum": 0.9} if name == "SGD" else {}
    mine = getattr(optim, name)(ours.parameters(), lr=0.01, **options)
    torchs = getattr(torch.optim, name)(theirs.parameters(), lr=0.01, **options)
    for i in range(20):
        if i == 7:
            mine.lr = torchs.param_groups[0]["lr"] = 0.1
            mine.weight_decay = torchs.param_groups[0]["weight_decay"] = 0.2
        mine.step(nn.value_and_grad(ours, lambda: nn.cross_entropy(ours(X), Y))()[1])
        step_theirs(theirs, torchs)
    assert_equal(ours, theirs)


def test_a_schedule_of_the_step_count_is_lambda_lr():
    ours, theirs = both()
    mine = optim.SGD(ours.parameters(), lr=lambda step: 0.3 * 0.9**step)
    torchs = torch.optim.SGD(theirs.parameters(), lr=0.3)
    schedule = torch.optim.lr_scheduler.LambdaLR(torchs, lambda epoch: 0.9**epoch)
    for _ in range(20):
        mine.zero_grad()
        nn.cross_entropy(ours(X), Y).backward()
        mine.step()
        step_theirs(theirs, torchs)
        schedule.step()
    assert_equal(ours, theirs)


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_a_parameter_without_a_gradient_is_left_alone(name):
    ours, theirs = both()
    options = {"lr": 0.1, "weight_decay": 0.1}
    mine = getattr(optim, name)([*ours.parameters(), rg.Parameter(np.ones(3))], **options)
    torchs = getattr(torch.optim, name)([*theirs.parameters(), torch.nn.Parameter(torch.ones(3))], **options)
    for _ in range(5):
        mine.zero_grad()
        nn.cross_entropy(ours(X), Y).backward()
        mine.step()
        step_theirs(theirs, torchs)
    assert_equal(ours, theirs)
    np.testing.assert_array_equal(mine.parameters[-1].numpy(), np.ones(3))
