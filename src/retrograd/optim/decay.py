"""Which parameters weight decay is for."""

from __future__ import annotations

from typing import Any

from retrograd.nn.module import Module
from retrograd.nn.stacked import StackedParameter
from retrograd.tensor.parameter import Parameter


def no_bias_decay(model: Module) -> list[dict[str, Any]]:
    """Two groups of parameters, for an optimiser with weight decay that spares biases.

    A bias has to be as large as it is to put the output in its place; only weights make a function steep. So parameters
    with fewer than two axes (biases, and the scales of normalisation) are a group with ``weight_decay`` 0.

    Args:
        model: a module; in a `rg.nn.stack` the axis that counts the models is not one of a parameter's.

    >>> import retrograd as rg
    >>> optimizer = rg.optim.SGD(no_bias_decay(rg.nn.Linear(3, 2)), lr=0.1, weight_decay=0.05)
    >>> [(len(group["params"]), float(group["weight_decay"])) for group in optimizer.param_groups]
    [(1, 0.05), (1, 0.0)]
    """
    parameters = list(model.parameters())
    weights = [p for p in parameters if _axes(p) >= 2]
    others = [p for p in parameters if _axes(p) < 2]
    groups: list[dict[str, Any]] = [{"params": weights}] if weights else []
    return [*groups, {"params": others, "weight_decay": 0.0}] if others else groups


def _axes(parameter: Parameter) -> int:
    return len(parameter.shape) - isinstance(parameter, StackedParameter)
