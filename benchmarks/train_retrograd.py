"""The training step in retrograd: compiled as a whole, in a loop or one call at a time."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from benchmarks.contest import Entry, Work, fingerprint
from benchmarks.networks import Network

Step = Callable[[Any, Any], Any]


def parts(network: Network) -> tuple:
    """The model with its start weights, the loss, the optimiser, and the batch."""
    import retrograd as rg
    from retrograd import nn, optim

    state, x, y = network.problem()
    activation = {"tanh": nn.Tanh, "relu": nn.ReLU}[network.activation]
    modules = [module for n, m in network.layers for module in (nn.Linear(n, m), activation())]
    model = nn.Sequential(*modules[:-1])
    for p, value in zip(model.parameters(), state, strict=True):
        p.value = value
    make = {"sgd": optim.SGD, "adam": optim.Adam}[network.optimizer]
    loss = {"cross_entropy": nn.cross_entropy, "mse": nn.mse_loss}[network.loss]
    return model, loss, make(model.parameters(), lr=network.lr), rg.tensor(x), rg.tensor(y)


def plain_step(model: Any, loss_of: Any, optimizer: Any) -> Step:
    """The step as the README teaches it."""

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def functional_step(model: Any, loss_of: Any, optimizer: Any) -> Step:
    """The step without .grad."""
    from retrograd import nn

    value_and_grad = nn.value_and_grad(model, lambda x, y: loss_of(model(x), y))

    def step(x: Any, y: Any) -> Any:
        loss, grads = value_and_grad(x, y)
        optimizer.step(list(grads.values()))
        return loss

    return step


def finished(network: Network, model: Any, run: Callable[[], Any], steps: int) -> Work:
    """The work, after as many steps as the evidence is about."""
    for _ in range(network.steps // steps):
        loss = run()
    weights = [p.value.numpy() for p in model.parameters()]
    return Work(run, [loss.item(), *fingerprint(*weights)], scale=1 / steps)


def loop(network: Network, make: Callable[..., Step]) -> Work:
    """All steps in one call."""
    import retrograd as rg

    model, loss, optimizer, x, y = parts(network)
    step = make(model, loss, optimizer)
    many = rg.jit(lambda x, y: rg.fori_loop(0, network.steps, lambda _, __: step(x, y), rg.tensor(0.0)))
    return finished(network, model, lambda: many(x, y), network.steps)


def calls(network: Network, make: Callable[..., Step]) -> Work:
    """One call a step."""
    import retrograd as rg

    model, loss, optimizer, x, y = parts(network)
    step = rg.jit(make(model, loss, optimizer))
    return finished(network, model, lambda: step(x, y), 1)


def eager(network: Network) -> Work:
    """Without compiling anything."""
    model, loss, optimizer, x, y = parts(network)
    step = plain_step(model, loss, optimizer)
    return finished(network, model, lambda: step(x, y), 1)


def forward_only(network: Network) -> Work:
    """The forward pass compiled, `.backward()` and the update outside."""
    import retrograd as rg

    model, loss_of, optimizer, x, y = parts(network)
    forward = rg.jit(lambda x, y: loss_of(model(x), y))

    def run() -> Any:
        optimizer.zero_grad()
        loss = forward(x, y)
        loss.backward()
        optimizer.step()
        return loss

    return finished(network, model, run, 1)


def entries(network: Network) -> Iterator[Entry]:
    """The loop first; both ways to write the step."""
    yield Entry("retrograd jit, loop", "retrograd", partial(loop, network, functional_step))
    yield Entry("retrograd jit, loop, with backward()", "retrograd", partial(loop, network, plain_step))
    yield Entry("retrograd jit, one call a step", "retrograd", partial(calls, network, plain_step))
