"""What to try: one rule a function, each with its threshold and where it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrograd.train.diagnostics.health import Health

VANISHING = 1e-3  # of the gradient at the last layer, what reaches the first
EXPLODING = 1e3
LARGE = 1e3  # a norm of all weight gradients that a step should not follow as it is
MANY = 0.5  # half of the units or elements
FEW = 0.1


def advice(health: Health) -> tuple[str, ...]:
    """Sentences for a person, the gravest first; none if nothing stands out.

    Of figures that are not finite nothing more is concluded: a rectifier of NaN is not dead.
    """
    rules = (_unseen, _clipped, _vanishing, _exploding, _dead, _saturated, _constant)
    return tuple(_not_finite(health)) or tuple(sentence for rule in rules for sentence in rule(health))


def _unseen(health: Health) -> Iterator[str]:
    if not health.layers:
        yield "No layer could be watched: call the layers outside rg.jit, rg.scan and the other loops to see them."


def _not_finite(health: Health) -> Iterator[str]:
    for layer in health.layers:
        figures = (layer.activation, layer.gradient, layer.weight_gradient or 0.0)
        if any(f != f or f in (float("inf"), float("-inf")) for f in figures):  # noqa: PLR0124 - NaN is not itself
            yield (
                f"{layer.name} has values that are not finite: run one step under `with rg.trace_nan():`, which names "
                "the operation."
            )
            return


def _clipped(health: Health) -> Iterator[str]:
    """Clipping an error zeroes its gradient (Karpathy 2016)."""
    if health.silent > 0:
        yield (
            f"{health.silent:.0%} of the examples have a loss but no gradient: the loss clips something. Clip the "
            "gradient instead, or use rg.nn.huber_loss, whose slope stays."
        )


def _vanishing(health: Health) -> Iterator[str]:
    trained = [layer for layer in health.layers if layer.weight_gradient is not None]
    if len(trained) > 2 and trained[0].gradient < VANISHING * trained[-1].gradient:
        share = trained[0].gradient / trained[-1].gradient
        yield (
            f"Of the gradient at {trained[-1].name} a share of {share:.1e} reaches {trained[0].name}: it vanishes on "
            "the way. Try ReLU or tanh in place of sigmoid, Kaiming or Xavier initial weights, layer norm, or fewer "
            "layers."
        )


def _exploding(health: Health) -> Iterator[str]:
    trained = [layer for layer in health.layers if layer.weight_gradient is not None]
    if len(trained) > 1 and trained[-1].gradient and trained[0].gradient > EXPLODING * trained[-1].gradient:
        yield (
            f"The gradient grows {trained[0].gradient / trained[-1].gradient:.1e} times from {trained[-1].name} to "
            f"{trained[0].name}: it explodes. Try smaller initial weights, layer norm, or clipping by norm."
        )
    total = sum((layer.weight_gradient or 0.0) ** 2 for layer in trained) ** 0.5
    if total > LARGE:
        yield (
            f"The norm of the gradient is {total:.1e}: clip it by norm, lower the learning rate, and bring inputs and "
            "targets to a common scale."
        )


def _dead(health: Health) -> Iterator[str]:
    for layer in health.layers:
        if layer.dead is not None and layer.dead > FEW:
            yield (
                f"{layer.dead:.0%} of the units of {layer.name} are dead: no example moves them. Try a lower learning "
                "rate, LeakyReLU, or Kaiming initial weights with biases of 0."
            )


def _saturated(health: Health) -> Iterator[str]:
    for layer in health.layers:
        if layer.saturated is not None and layer.saturated > MANY and not (layer.dead and layer.dead > FEW):
            if layer.name.endswith("ReLU"):
                continue  # being 0 on half of the examples is what a rectifier is for
            yield (
                f"{layer.saturated:.0%} of {layer.name} is saturated, with a mean derivative of "
                f"{layer.derivative:.1e}: bring the inputs to mean 0 and variance 1, or start from smaller weights."
            )


def _constant(health: Health) -> Iterator[str]:
    if health.loss and health.layers and all(layer.gradient == 0 for layer in health.layers):
        yield "No gradient reaches any layer: does the loss depend on the output, without stop_gradient or argmax?"
