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
        {"lr": 0.05, "betas": (0.5, 0.5), "amsgrad": True},
        {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True},
    ],
    "Adagrad": [{}, {"lr": 0.3}, {"lr": 0.3, "lr_decay": 0.1, "weight_decay": 0.1, "eps": 1e-2}],
    "RMSprop": [
        {},
        {"lr": 0.02, "alpha": 0.9, "eps": 1e-3},
        {"lr": 0.02, "weight_decay": 0.1, "momentum": 0.5},
        {"lr": 0.02, "centered": True},
        {"lr": 0.02, "alpha": 0.8, "momentum": 0.9, "centered": True},
    ],
    "AdamW": [
        {},
        {"lr": 0.05},
        {"lr": 0.05, "betas": (0.5, 0.9), "eps": 1e-2, "weight_decay": 0.3},
        {"lr": 0.05, "betas": (0.5, 0.5), "weight_decay": 0.1, "amsgrad": True},
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


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
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


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_groups(name):
    ours, theirs = both()

    def groups(model):
        return [
            {"params": [model[0].weight, model[2].weight], "weight_decay": 0.1},
            {"params": model[0].bias, "lr": 0.3},
            {"params": [model[2].bias]},
        ]

    mine = getattr(optim, name)(groups(ours), lr=0.05)
    torchs = getattr(torch.optim, name)(groups(theirs), lr=0.05)
    for i in range(20):
        if i == 7:
            mine.param_groups[2]["lr"] = torchs.param_groups[2]["lr"] = 0.01
        mine.zero_grad()
        nn.cross_entropy(ours(X), Y).backward()
        mine.step()
        step_theirs(theirs, torchs)
    assert_equal(ours, theirs)


@pytest.mark.parametrize("max_norm", [0.01, 0.1, 100.0])
def test_clipping_by_norm(max_norm):
    ours, theirs = both()
    nn.cross_entropy(ours(X), Y).backward()
    torch.nn.functional.cross_entropy(theirs(torch.from_numpy(X)), torch.from_numpy(Y)).backward()
    norm = optim.clip_grad_norm_(ours.parameters(), max_norm)
    assert norm.item() == pytest.approx(torch.nn.utils.clip_grad_norm_(theirs.parameters(), max_norm).item(), rel=1e-12)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-12)
    optim.clip_grad_value_(ours.parameters(), max_norm / 10)
    torch.nn.utils.clip_grad_value_(theirs.parameters(), max_norm / 10)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-12)


# (ours, theirs, their arguments, steps to compare)
LR = 0.3
schedules, theirs_are = optim.schedules, torch.optim.lr_scheduler
SCHEDULES = {
    "constant": (schedules.constant(LR), "ConstantLR", {"factor": 1.0}, 20),
    "step": (schedules.step(LR, 3, 0.5), "StepLR", {"step_size": 3, "gamma": 0.5}, 20),
    "multistep": (schedules.multistep(LR, [2, 5, 11], 0.5), "MultiStepLR", {"milestones": [2, 5, 11], "gamma": 0.5}, 20),
    "exponential": (schedules.exponential(LR, 0.9), "ExponentialLR", {"gamma": 0.9}, 20),
    "polynomial": (schedules.polynomial(LR, 12, 2.0), "PolynomialLR", {"total_iters": 12, "power": 2.0}, 20),
    "linear": (schedules.linear(LR, 0.2, 0.8, 7), "LinearLR", {"start_factor": 0.2, "end_factor": 0.8, "total_iters": 7}, 20),
    "cosine": (schedules.cosine_annealing(LR, 15, 0.01), "CosineAnnealingLR", {"T_max": 15, "eta_min": 0.01}, 16),
    "restarts": (schedules.cosine_warm_restarts(LR, 7), "CosineAnnealingWarmRestarts", {"T_0": 7}, 40),
    "longer": (
        schedules.cosine_warm_restarts(LR, 3, 2, 0.01),
        "CosineAnnealingWarmRestarts",
        {"T_0": 3, "T_mult": 2, "eta_min": 0.01},
        200,
    ),
    "one cycle": (
        schedules.one_cycle(LR, 30),
        "OneCycleLR",
        {"max_lr": LR, "total_steps": 30, "cycle_momentum": False},
        30,
    ),
    "one cycle of lines": (
        schedules.one_cycle(LR, 33, 0.4, "linear", 5.0, 10.0),
        "OneCycleLR",
        {
            "max_lr": LR, "total_steps": 33, "pct_start": 0.4, "anneal_strategy": "linear", "div_factor": 5.0,
            "final_div_factor": 10.0, "cycle_momentum": False,
        },
        33,
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name):
    ours, kind, arguments, steps = SCHEDULES[name]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=LR)
    scheduler = getattr(theirs_are, kind)(optimizer, **arguments)
    expected = []
    for _ in range(steps):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    found = [float(ours(rg.tensor(float(t), dtype="float64"))) for t in range(steps)]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step", "ignore:The epoch parameter")
def test_one_schedule_after_another():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=LR)
    parts = [theirs_are.LinearLR(optimizer, 0.25, 1.0, 4), theirs_are.CosineAnnealingLR(optimizer, 10)]
    scheduler = theirs_are.SequentialLR(optimizer, parts, [4])
    ours = schedules.warmup(schedules.cosine_annealing(LR, 10), 4, 0.25)
    for t in range(14):
        assert float(ours(float(t))) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        scheduler.step()


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 2, "factor": 0.5},
        {"patience": 1, "cooldown": 2, "min_lr": 0.05},
        {"patience": 0, "mode": "max", "threshold": 0.2, "threshold_mode": "abs"},
    ],
)
def test_plateaus(options):
    class Run:
        steps = 0

    values = np.abs(np.cumsum(np.random.default_rng(3).normal(size=60))) + 0.1
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=LR)
    scheduler = theirs_are.ReduceLROnPlateau(optimizer, **options)
    run = Run()
    run.optimizer = optim.SGD([rg.Parameter([0.0])], lr=LR)
    callback = rg.train.ReduceLROnPlateau("loss", **options)
    callback.on_fit_begin(run)
    for value in values:
        scheduler.step(value)
        callback.on_epoch_end(run, {"loss": value})
        assert float(run.optimizer.lr) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)


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
