"""The training step in PyTorch: eager as its tutorials teach it, lean, functional, and torch.compile."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from benchmarks.contest import Entry, Work, fingerprint
from benchmarks.networks import BETA1, BETA2, EPS, Network

Step = Callable[[], Any]


def parts(network: Network) -> tuple:
    """The model with its start weights, the loss, and the batch."""
    import torch

    state, x, y = network.problem()
    activation = {"tanh": torch.nn.Tanh, "relu": torch.nn.ReLU}[network.activation]
    modules = [module for n, m in network.layers for module in (torch.nn.Linear(n, m), activation())]
    model = torch.nn.Sequential(*modules[:-1])
    with torch.no_grad():
        for p, value in zip(model.parameters(), state, strict=True):
            p.copy_(torch.from_numpy(value))
    loss = {"cross_entropy": torch.nn.functional.cross_entropy, "mse": torch.nn.functional.mse_loss}[network.loss]
    return model, loss, torch.from_numpy(x), torch.from_numpy(y)


def trained(network: Network, parameters: Any, step: Step) -> Work:
    """The work, after as many steps as the evidence is about."""
    for _ in range(network.steps):
        loss = step()
    return Work(step, [loss.item(), *fingerprint(*(p.detach().numpy() for p in parameters))])


def eager(network: Network, **options: Any) -> Work:
    """With an optimiser."""
    import torch

    model, loss_of, x, y = parts(network)
    make = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[network.optimizer]
    optimizer = make(model.parameters(), lr=network.lr, **options)

    def step() -> Any:
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return trained(network, list(model.parameters()), step)


def lean(network: Network) -> Work:
    """No optimiser object, no .grad, one fused update of plain gradient descent."""
    import torch

    model, loss_of, x, y = parts(network)
    parameters = list(model.parameters())

    def step() -> Any:
        loss = loss_of(model(x), y)
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            torch._foreach_add_(parameters, gradients, alpha=-network.lr)
        return loss

    return trained(network, parameters, step)


def functional(network: Network, wrap: Callable[[Callable], Callable]) -> Work:
    """torch.func.grad_and_value of a function of the parameters, and the update in place."""
    import torch

    model, loss_of, x, y = parts(network)
    parameters = [p.detach().clone() for p in model.parameters()]
    activation = {"tanh": torch.tanh, "relu": torch.relu}[network.activation]

    def loss(values: Any, x: Any, y: Any) -> Any:
        layers = list(zip(values[::2], values[1::2], strict=True))
        for w, b in layers[:-1]:
            x = activation(torch.nn.functional.linear(x, w, b))
        return loss_of(torch.nn.functional.linear(x, *layers[-1]), y)

    grad_and_value = torch.func.grad_and_value(loss)

    def sgd(values: Any, x: Any, y: Any) -> Any:
        gradients, value = grad_and_value(tuple(values), x, y)
        for p, g in zip(values, gradients, strict=True):
            p.sub_(g, alpha=network.lr)
        return value

    moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in parameters]
    count = torch.zeros(())

    def adam(values: Any, x: Any, y: Any) -> Any:
        gradients, value = grad_and_value(tuple(values), x, y)
        count.add_(1)
        rate, root = network.lr / (1 - BETA1**count), torch.sqrt(1 - BETA2**count)
        for p, g, (m, v) in zip(values, gradients, moments, strict=True):
            m.mul_(BETA1).add_(g, alpha=1 - BETA1)
            v.mul_(BETA2).addcmul_(g, g, value=1 - BETA2)
            p.sub_(rate * m / (v.sqrt() / root + EPS))
        return value

    step = wrap(adam if network.optimizer == "adam" else sgd)

    def run() -> Any:
        with torch.no_grad():
            return step(parameters, x, y)

    return trained(network, parameters, run)


def compiled(f: Callable) -> Callable:
    """torch.compile of exactly these shapes."""
    import torch

    return torch.compile(f, fullgraph=True, dynamic=False)


def entries(network: Network) -> Iterator[Entry]:
    """PyTorch has no loop to compile: each step is a call."""
    yield Entry("torch eager", "torch", partial(eager, network))
    if network.optimizer == "sgd":
        yield Entry("torch eager, lean", "torch", partial(lean, network))
    yield Entry("torch eager, fused optimiser", "torch", partial(eager, network, fused=True))
    yield Entry("torch.func", "torch", partial(functional, network, lambda f: f))
    yield Entry("torch.compile", "torch", partial(functional, network, compiled), slow=True)
