"""A network worked through: every number of its forward and backward pass, taken from the engine's record of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from retrograd.core.dispatch import QUIET, interpreter
from retrograd.errors import ModelError
from retrograd.explain import backward
from retrograd.explain.formulas import Show, factor, formula, is_pointwise, local_in_names, local_in_numbers, numbers_of
from retrograd.explain.network import compute
from retrograd.explain.network.description import CROSS_ENTROPY, Network, Weight, with_arrays
from retrograd.explain.numerals import signed
from retrograd.explain.program import Run, check_gradients
from retrograd.explain.recorder import Recorder
from retrograd.explain.records import Check, Contribution, Gradient, Step, Term, Value
from retrograd.transforms.derivatives import jvp

ALL, FEW = 200, 10  # gradients of so many weights are all checked; of more, the largest few


@dataclass(frozen=True)
class Round:
    """The network after so many updates: its error and its outputs."""

    number: int
    error: float
    outputs: np.ndarray


@dataclass(frozen=True)
class Slope:
    """How the output of a neuron depends on its net input: formula in names, in numbers, and value."""

    names: str
    numbers: str
    value: float


class Worked:
    """One example through a network, forward and back.

    Args:
        network: with one row of data.
        check: compare gradients with finite differences: all of a small network, of a larger one the largest.
        also: weights that are checked in any case.

    Attributes:
        nets, outs: a `Value` for each layer: net inputs and outputs of its neurons.
        errors: the error of each output neuron; total: their sum.
        leaves: the weights and biases, in the order of `Network.arrays`.
        gradients: likewise.
        inputs: the example.
    """

    def __init__(self, network: Network, *, check: bool = True, also: Sequence[Weight] = ()) -> None:
        if len(network.inputs) != 1:
            raise ModelError(
                f"{network.name}: one example is worked through at a time; it has {len(network.inputs)} rows"
            )
        self.network = network
        self.inputs, self.targets = network.inputs[0], network.targets[0]
        passed: list[compute.Passed] = []

        def error(*arrays: object) -> object:
            passed.append(compute.Passed(network, arrays, self.inputs, self.targets))
            return passed[-1].total

        run = Run(error, network.arrays())
        self.recorder, (total,) = run.record(sites=False)
        first = passed[0]
        backward.run_sweep(self.recorder, [total], [np.ones(())])
        self.steps = [s for top in self.recorder.steps for s in top.walk()]
        self.makers: dict[int, Step] = {id(v): s for s in self.steps for v in s.outputs}
        self.nets = [self._value(x, self.recorder) for x in first.nets]
        self.outs = [self._value(x, self.recorder) for x in first.outs]
        self.errors, self.total = self._value(first.errors, self.recorder), self._value(total, self.recorder)
        self.leaves = list(self.recorder.leaves.values())
        self.gradients = [
            Gradient(v, np.zeros(v.array.shape) if v.cotangent is None else np.asarray(v.cotangent))
            for v in self.leaves
        ]
        if check:
            chosen = list(network.weights())
            chosen = [*(chosen if len(chosen) <= ALL else self.largest(FEW)), *also]
            places = [sorted({w.place for w in chosen if w.array == i}) for i in range(len(self.gradients))]
            check_gradients(run, self.recorder, [np.ones(())], self.gradients, places)

    def largest(self, count: int) -> list[Weight]:
        """The weights with the largest gradients."""
        return sorted(self.network.weights(), key=lambda w: -abs(self.gradient(w)))[:count]

    @staticmethod
    def _value(x: object, recorder: Recorder) -> Value:
        return recorder.value_of(x)  # type: ignore[arg-type]

    # Forward ------------------------------------------------------------------------------------------------------

    def value(self, weight: Weight) -> float:
        """What a weight is."""
        return float(self.leaves[weight.array].array[weight.place])

    def before(self, layer: int) -> np.ndarray:
        """What goes into a layer: the example, or the outputs of the layer before."""
        return self.inputs if layer == 0 else self.outs[layer - 1].array

    def names_before(self, layer: int) -> list[str]:
        """What those values are called."""
        if layer == 0:
            return list(self.network.input_names)
        return [f"out_{name}" for name in self.network.layers[layer - 1].neurons]

    def activated(self, layer: int, k: int, show: Show) -> tuple[str, str]:
        """The activation of a neuron: its formula in names and in numbers; empty where several steps make it."""
        step = self.activation_step(layer)
        if step is None or step.prim is None:
            return "", ""
        name = self.network.layers[layer].neurons[k]
        return formula(step.prim, [f"net_{name}"]), numbers_of(step.prim, [self.nets[layer].array], (k,), show)

    def activation_step(self, layer: int) -> Step | None:
        """The step that makes the outputs of a layer of its net inputs, if it is one."""
        step = self.makers.get(id(self.outs[layer]))
        alone = (
            step is not None and is_pointwise(step.prim) and [v is self.nets[layer] for v in step.operands] == [True]
        )
        return step if alone else None

    # Backward -----------------------------------------------------------------------------------------------------

    def d_out(self, layer: int, k: int) -> float:
        """dE/dout of a neuron."""
        return _element(self.outs[layer].cotangent, (k,))

    def delta(self, layer: int, k: int) -> float:
        """dE/dnet of a neuron."""
        return _element(self.nets[layer].cotangent, (k,))

    def slope(self, layer: int, k: int, show: Show = signed) -> Slope:
        """dout/dnet of a neuron: how it is computed, and its value."""
        name, value = self.network.layers[layer].neurons[k], self.slope_value(layer, k)
        if self.outs[layer] is self.nets[layer]:
            return Slope("1", "1", value)
        step = self.activation_step(layer)
        if step is None:
            return Slope(f"the slope of {self.network.layers[layer].activation} at net_{name}", "", value)
        args, out = [self.nets[layer].array], self.outs[layer].array
        names = local_in_names(step.prim, 0, [f"net_{name}"], f"out_{name}", "")
        return Slope(names, local_in_numbers(step.prim, 0, args, out, (k,), show), value)

    def slope_value(self, layer: int, k: int) -> float:
        """dout/dnet of a neuron."""
        if self.outs[layer] is self.nets[layer]:
            return 1.0
        step = self.activation_step(layer)
        if step is not None:
            return float(factor(step.prim, 0, [self.nets[layer].array], self.outs[layer].array)[k])
        function = compute.activation(self.network.layers[layer])
        with interpreter(QUIET):
            _, found = jvp(function, (np.array(self.nets[layer].array[k]),), (np.ones(()),))
        return float(found)

    def arrivals(self, layer: int, k: int) -> list[Term]:
        """What the neurons of the next layer hand back to the output of a neuron: their delta times the weight."""
        return self._terms(self._into(self.outs[layer], self.nets[layer + 1]), (k,))

    def d_net(self, weight: Weight) -> list[Term]:
        """The chain from the neurons that a weight feeds: delta, and dnet/dweight."""
        leaf = self.leaves[weight.array]
        (contribution,) = leaf.received
        return self._terms(contribution, weight.place)

    def _into(self, value: Value, target: Value) -> Contribution:
        """What the step that makes `target` handed back to `value`."""
        step = self.makers[id(target)]
        return next(c for c in step.contributions if c.value is value)

    def _terms(self, c: Contribution, at: tuple[int, ...]) -> list[Term]:
        assert c.step.prim is not None
        out = c.step.outputs[0]
        args = [v.array for v in c.step.operands]
        column = backward.tangent_of(c.step.prim, args, out.array, c.argument, at)
        assert column is not None
        upstream = c.step.upstream[0]
        return [Term((int(k),), float(upstream[k]), float(column[k])) for k in np.flatnonzero(column)]

    def gradient(self, weight: Weight) -> float:
        """dE/dweight."""
        return float(self.gradients[weight.array].array[weight.place])

    def check(self, weight: Weight) -> Check | None:
        """The finite difference beside it."""
        return next((c for c in self.gradients[weight.array].checks if c.place == weight.place), None)

    # The update ---------------------------------------------------------------------------------------------------

    @cached_property
    def new(self) -> list[np.ndarray]:
        """The weights after the update."""
        with interpreter(QUIET):
            found = compute.updated(self.network, self.network.arrays(), [g.array for g in self.gradients])
        return [np.asarray(x) for x in found]

    def after(self, rounds: Sequence[int], update: str, rows: Network | None = None) -> list[Round]:
        """The network after so many updates each; on all rows of `rows`, or on this example."""
        network = rows or self.network
        arrays, done, found, run = network.arrays(), 0, [], compute.Rounds(network, update)
        for number in sorted(rounds):
            arrays, done = run(network, arrays, number - done), number
            with interpreter(QUIET):
                passed = compute.Passed(with_arrays(network, arrays), arrays, network.inputs, network.targets)
            found.append(Round(number, float(passed.total), np.asarray(passed.outs[-1])))
        return found

    # Everything by name -------------------------------------------------------------------------------------------

    def figures(self) -> dict[str, float]:
        """Every number by its name: net_h1, out_h1, E_o1, dE/dout_h1, dE_o1/dout_h1, delta_h1, dE/dw1, new w1, E ..."""
        net, found = self.network, {}
        for n, layer in enumerate(net.layers):
            for k, name in enumerate(layer.neurons):
                found[f"net_{name}"] = float(self.nets[n].array[k])
                found[f"out_{name}"] = float(self.outs[n].array[k])
        for k, name in enumerate(net.outputs):
            found[f"E_{name}"] = float(self.errors.array[k])
        found["E"] = float(self.total.array)
        for n, layer in reversed(list(enumerate(net.layers))):
            last = n == len(net.layers) - 1
            for k, name in enumerate(layer.neurons):
                if not (last and net.loss == CROSS_ENTROPY):
                    found[f"dE/dout_{name}"] = self.d_out(n, k)
                    found[f"dout/dnet_{name}"] = self.slope(n, k).value
                found[f"delta_{name}"] = self.delta(n, k)
                for term in [] if last else self.arrivals(n, k):
                    found[f"dE_{net.layers[n + 1].neurons[term.at[0]]}/dout_{name}"] = term.product
        for w in net.weights():
            found[f"dE/d{w.name}"] = self.gradient(w)
        if net.learning_rate is not None:
            for w in net.weights():
                found[f"new {w.name}"] = float(self.new[w.array][w.place])
            with interpreter(QUIET):
                found["E after"] = float(compute.total_error(net, self.new))
        return found


def _element(array: np.ndarray | None, at: tuple[int, ...]) -> float:
    return 0.0 if array is None else float(array[at])
