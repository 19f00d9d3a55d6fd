"""The training rows: one step of a dense network, from tiny to large."""

from functools import partial

from benchmarks import train_jax, train_retrograd, train_torch
from benchmarks.contest import BY_HAND, Entry, Row, Work, fingerprint
from benchmarks.networks import Network
from benchmarks.numpy_mlp import make_step
from benchmarks.peak import floors

TOLERANCE = 2e-3  # of float32 losses and weights after all steps


def by_hand(network: Network) -> Work:
    """The hand-written step."""
    state, x, y = network.problem()
    step = make_step(tuple(state), x, y, network.lr)
    for _ in range(network.steps):
        loss = step()
    return Work(step, [float(loss), *fingerprint(*state)])


def row(title: str, network: Network, factor: float | None = None, unroll: int = 0, **aims: dict[int, float]) -> Row:
    """A network's row with everyone in it."""
    described = "-".join(map(str, network.sizes))
    loss = {"mse": "MSE", "cross_entropy": "cross entropy"}[network.loss]
    optimizer = {"sgd": "SGD", "adam": "Adam"}[network.optimizer]
    hand = network.activation == "tanh" and network.optimizer == "sgd" and network.loss == "cross_entropy"
    return Row(
        f"{title}: {network.activation} {described}, batch {network.batch}, float32, {loss}, {optimizer}; "
        f"{network.steps} steps in a loop",
        ("us a step", 1e6),
        (
            *train_retrograd.entries(network),
            *train_jax.entries(network, unroll),
            *train_torch.entries(network),
            *([Entry(BY_HAND, "numpy", partial(by_hand, network))] if hand else []),
            *floors(network.flop, network.size, what="the products"),
        ),
        tolerance=TOLERANCE,
        factor=factor,
        flop=network.flop,
        **aims,
    )


WIDE = Network((784, 512, 512, 10), 128, "relu", lr=0.05, steps=8)


def forward_row() -> Row:
    """What compiling the forward pass alone costs beside compiling everything."""
    eager = partial(train_retrograd.forward_only, WIDE)
    whole = partial(train_retrograd.calls, WIDE, train_retrograd.plain_step)
    return Row(
        "Forward compiled, backward() eager, against the whole step compiled: relu 784-512-512-10, batch 128, SGD",
        ("us a step", 1e6),
        (
            Entry("retrograd, forward jitted", "retrograd", eager),
            Entry("the whole step jitted", "retrograd", whole),
        ),
        tolerance=TOLERANCE,
        aims={"the whole step": 1.3},
    )


def call_row() -> Row:
    """What a call costs: a step called from Python less the same step inside a loop."""
    network = Network((2, 2, 1), 2, loss="mse", steps=1000)
    from_retrograd = [e for e in train_retrograd.entries(network) if "backward" not in e.name]
    from_jax = [e for e in train_jax.entries(network) if "scan" not in e.name]
    return Row(
        "Call overhead: a compiled step of a tanh 2-2-1 network on two arrays, less the same step in a loop",
        ("us", 1e6),
        (*from_retrograd, *from_jax, *(e for e in train_torch.entries(network) if e.name != "torch eager, lean")),
        tolerance=TOLERANCE,
        threads=(1,),
        seconds={1: 0.5e-6},
        differences=(
            ("retrograd, the call", "retrograd jit, one call a step", "retrograd jit, loop"),
            ("jax.jit, the call", "jax.jit, one call a step", "jax.jit, fori_loop"),
        ),
    )


ROWS = {
    "tiny": row(
        "Tiny", Network((2, 8, 1), 4, loss="mse", lr=0.05, steps=1000), unroll=10, seconds={1: 0.05e-6}, factor=10
    ),
    "small_iris": row("Small", Network((4, 10, 3), 16, optimizer="adam", lr=1e-3, steps=200), factor=5, unroll=10),
    "small_deep": row("Small", Network((4, 32, 16, 4), 32, optimizer="adam", lr=1e-3, steps=200), factor=5, unroll=10),
    "digits": row("Digits", Network((64, 100, 10), 64, steps=100), factor=4, seconds={1: 14e-6, 2: 8e-6}),
    "mnist": row("Medium", Network((784, 128, 10), 64, "relu", steps=20), factor=1.9, seconds={2: 115e-6}),
    "wide": row("Wide", WIDE, factor=1.2),
    "large": row("Large", Network((2048, 2048, 2048, 1000), 256, "relu", lr=0.01, steps=2), factor=1.1),
    "call": call_row(),
    "forward": forward_row(),
}
