"""A worked network as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from retrograd.explain.layout import Page, wrapped
from retrograd.explain.network.description import CROSS_ENTROPY, MEAN_SQUARED, Weight
from retrograd.explain.network.worked import Worked
from retrograd.explain.numerals import decimal

TERMS = 6  # so many products of a sum are written out
MOST = 10  # so many neurons of a layer, or weights of a neuron, are shown
SMALL, FEW = 120, 3  # of a network with more weights only the few that matter most are shown
WIDTH = 76  # of a sum on one line


class NetworkText:
    """Writes a worked network.

    Args:
        worked: the numbers.
        digits: decimals.
    """

    def __init__(self, worked: Worked, digits: int = 9) -> None:
        self.w, self.net, self.digits = worked, worked.network, digits
        self.page = Page(widest=80)
        self.most = MOST if sum(a.size for a in self.net.arrays()) <= SMALL else FEW

    def n(self, x: Any) -> str:
        """A number."""
        return decimal(x, self.digits)

    def p(self, x: Any) -> str:
        """A number as a part of an expression."""
        text = self.n(x)
        return f"({text})" if text.startswith("-") else text

    def equation(self, name: str, names: str, numbers: str, value: Any) -> None:
        """What it is in names; in numbers, and its value. Long sums take several lines."""
        for i, line in enumerate(wrapped(names, WIDTH)):
            self.page.row("" if i else f"  {name}", f"  {line}" if i else f"= {line}", "")
        lines = wrapped(numbers, WIDTH)
        for i, line in enumerate(lines):
            last = i == len(lines) - 1
            self.page.row("", f"  {line}" if i else f"= {line}", f"= {self.n(value)}" if last else "")

    def sum(self, parts: Sequence[tuple[str, str, float]]) -> tuple[str, str]:
        """A sum in names and in numbers; of many parts the largest are written out."""
        if len(parts) <= TERMS:
            return " + ".join(names for names, _, _ in parts), " + ".join(numbers for _, numbers, _ in parts)
        largest = sorted(sorted(range(len(parts)), key=lambda i: -abs(parts[i][2]))[: TERMS - 2])
        rest = sum(value for i, (_, _, value) in enumerate(parts) if i not in largest)
        names = " + ".join(parts[i][0] for i in largest)
        numbers = " + ".join(parts[i][1] for i in largest)
        return f"{names} + {len(parts) - len(largest)} more", f"{numbers} + {self.p(rest)}"

    # The network --------------------------------------------------------------------------------------------------

    def heading(self, row: str = "") -> None:
        """What the network is, and its data."""
        net = self.net
        sizes = "-".join(map(str, net.sizes))
        kinds = " and ".join(dict.fromkeys(layer.activation for layer in net.layers))
        rate = f", learning rate {self.n(net.learning_rate)}" if net.learning_rate is not None else ""
        self.page.title(f"{net.name}: a {sizes} network, {kinds}, {net.loss}{rate}", "=")
        for line in [net.about, row]:
            if line:
                self.page.line(f"  {line}")
        if net.about or row:
            self.page.line()
        for short, long in net.legend.items():
            self.page.row(f"  {short}", f"is {long}")
        if net.legend:
            self.page.line()
        inputs = list(zip(net.input_names, self.w.inputs, strict=True))
        shown = sorted(sorted(range(len(inputs)), key=lambda i: -abs(inputs[i][1]))[:MOST])
        cells = [f"{inputs[i][0]} = {self.n(inputs[i][1])}" for i in shown]
        cells += [f"and {len(inputs) - len(shown)} more"] if len(shown) < len(inputs) else []
        self.cells("inputs", cells)
        targets = [(k, t) for k, t in zip(net.outputs, self.w.targets, strict=True) if t or len(net.outputs) <= 4]
        cells = [f"target_{k} = {self.n(t)}" for k, t in targets]
        cells += ["the others 0"] if len(targets) < len(net.outputs) else []
        self.cells("targets", cells)

    def cells(self, name: str, cells: Sequence[str]) -> None:
        """Short cells, several on a line."""
        per_line = max(1, WIDTH // (max(map(len, cells)) + 3))
        width = max(map(len, cells))
        for i in range(0, len(cells), per_line):
            row = [c.ljust(width) for c in cells[i : i + per_line]]
            self.page.row("" if i else f"  {name}", "   ".join(row))

    def layer_name(self, n: int) -> str:
        """What a layer is called."""
        if n == len(self.net.layers) - 1:
            return "output layer"
        return "hidden layer" if len(self.net.layers) == 2 else f"hidden layer {n + 1}"

    def title(self, word: str, n: int, chosen: Sequence[int]) -> None:
        """A heading for a layer, which says how many of its neurons are shown."""
        count = len(self.net.layers[n].neurons)
        part = "" if len(chosen) == count else f", {len(chosen)} of its {count} neurons (largest |delta|)"
        self.page.title(f"{word}: {self.layer_name(n)}{part}")

    def chosen(self, n: int) -> list[int]:
        """The neurons of a layer that are shown: of many those with the largest deltas."""
        count = len(self.net.layers[n].neurons)
        if count <= self.most:
            return list(range(count))
        cotangent = self.w.nets[n].cotangent
        weight = np.abs(self.w.nets[n].array if cotangent is None else cotangent)
        return sorted(int(k) for k in np.argsort(-weight, kind="stable")[: max(FEW, self.most // 2)])

    # Forward ------------------------------------------------------------------------------------------------------

    def forward(self) -> None:
        """Every neuron's net input and output, then the error."""
        for n in range(len(self.net.layers)):
            chosen = self.chosen(n)
            self.title("Forward", n, chosen)
            for k in chosen:
                self.neuron_forward(n, k)
            if self.net.layers[n].activation == "softmax":
                self.page.line()
                for k in chosen:
                    self.softmax(n, k)
        self.page.title("Error")
        self.error()

    def neuron_forward(self, n: int, k: int) -> None:
        """The net input of a neuron, and its output."""
        layer, w = self.net.layers[n], self.w
        first = sum(1 if before.biases is None else 2 for before in self.net.layers[:n])  # of the arrays
        parts = [
            (f"{weight} * {name}", f"{self.p(a)} * {self.p(x)}", float(a * x))
            for weight, name, a, x in zip(
                layer.weight_names[k], w.names_before(n), w.leaves[first].array[k], w.before(n), strict=True
            )
        ]
        if layer.biases is not None:
            at = () if layer.shared_bias else (k,)
            bias = float(w.leaves[first + 1].array[at])
            parts.append((layer.bias_names[0 if layer.shared_bias else k], self.p(bias), bias))
        names, numbers = self.sum(parts)
        name = layer.neurons[k]
        self.equation(f"net_{name}", names, numbers, w.nets[n].array[k])
        if layer.activation == "linear":
            self.equation(f"out_{name}", f"net_{name}", self.n(w.nets[n].array[k]), w.outs[n].array[k])
        elif layer.activation != "softmax":
            names, numbers = w.activated(n, k, self.p)
            call = f"{layer.activation}({{}})"
            value = w.outs[n].array[k]
            self.equation(
                f"out_{name}",
                names or call.format(f"net_{name}"),
                numbers or call.format(self.n(w.nets[n].array[k])),
                value,
            )

    def softmax(self, n: int, k: int) -> None:
        """Out = exp(net) / sum of exp(net)."""
        names, nets = self.net.layers[n].neurons, self.w.nets[n].array
        if len(names) <= TERMS - 2:
            below = " + ".join(f"exp(net_{name})" for name in names), " + ".join(f"exp({self.n(z)})" for z in nets)
        else:
            below = ("sum of exp(net) over the layer",) * 2
        left, right = f"exp(net_{names[k]}) / ({below[0]})", f"exp({self.n(nets[k])}) / ({below[1]})"
        self.equation(f"out_{names[k]}", left, right, self.w.outs[n].array[k])

    def error(self) -> None:
        """The error of each output, and their sum."""
        net, w = self.net, self.w
        few = len(net.outputs) <= (2 if net.loss == CROSS_ENTROPY else MOST)
        shown = [k for k in range(len(net.outputs)) if few or w.errors.array[k]]
        for k in shown:
            name, t, o = net.outputs[k], w.targets[k], w.outs[-1].array[k]
            square = f"(target_{name} - out_{name}) ** 2", f"({self.n(t)} - {self.p(o)}) ** 2"
            names, numbers = (f"1/2 * {s}" for s in square)
            if net.loss == CROSS_ENTROPY:
                names, numbers = f"-target_{name} * ln(out_{name})", f"-{self.p(t)} * ln({self.n(o)})"
            elif net.loss == MEAN_SQUARED:
                names, numbers = (f"{s} / {len(net.outputs)}" for s in square)
            self.equation(f"E_{name}", names, numbers, w.errors.array[k])
        parts = [(f"E_{net.outputs[k]}", self.p(w.errors.array[k]), float(w.errors.array[k])) for k in shown]
        self.equation("E", *self.sum(parts), w.total.array)

    # Backward -----------------------------------------------------------------------------------------------------

    def backward(self) -> None:
        """Every gradient, piece by piece, from the last layer to the first."""
        for n in range(len(self.net.layers) - 1, -1, -1):
            chosen = self.chosen(n)
            self.title("Backward", n, chosen)
            own = [w for w in self.net.weights() if w.layer == n]
            for k in chosen:
                self.neuron_backward(n, k)
                self.gradients([w for w in own if w.neurons == (k,)])
                self.page.line()
            for w in own:
                if len(w.neurons) > 1:
                    self.shared(w)

    def gradients(self, weights: Sequence[Weight]) -> None:
        """The gradients of a neuron's weights; of many the largest."""
        ranked = sorted(range(len(weights)), key=lambda i: -abs(self.w.gradient(weights[i])))[: self.most]
        for i in sorted(ranked):
            self.gradient(weights[i])
        if len(ranked) < len(weights):
            self.page.line(f"  and {len(weights) - len(ranked)} more weights, with smaller gradients")

    def neuron_backward(self, n: int, k: int) -> None:
        """dE/dout, dout/dnet, and their product delta, of a neuron."""
        name, w = self.net.layers[n].neurons[k], self.w
        last = n == len(self.net.layers) - 1
        if last and self.net.loss == CROSS_ENTROPY:
            numbers = f"{self.p(w.outs[n].array[k])} - {self.p(w.targets[k])}"
            self.equation(f"delta_{name}", f"dE/dnet_{name} = out_{name} - target_{name}", numbers, w.delta(n, k))
            return
        if last:
            self.d_error(n, k)
        else:
            self.d_hidden(n, k)
        slope = w.slope(n, k, self.p)
        names = strip(slope.names)
        self.equation(f"dout_{name}/dnet_{name}", names, strip(slope.numbers) or names, slope.value)
        numbers = f"{self.p(w.d_out(n, k))} * {self.p(slope.value)}"
        self.equation(
            f"delta_{name}", f"dE/dnet_{name} = dE/dout_{name} * dout_{name}/dnet_{name}", numbers, w.delta(n, k)
        )

    def d_error(self, n: int, k: int) -> None:
        """dE/dout of an output neuron."""
        name, t, o = self.net.outputs[k], self.w.targets[k], self.w.outs[n].array[k]
        factor = f" * 2 / {len(self.net.outputs)}" if self.net.loss == MEAN_SQUARED else ""
        numbers = f"-({self.n(t)} - {self.p(o)}){factor}"
        self.equation(f"dE/dout_{name}", f"-(target_{name} - out_{name}){factor}", numbers, self.w.d_out(n, k))

    def d_hidden(self, n: int, k: int) -> None:
        """dE/dout of a hidden neuron: a sum over the neurons that it feeds."""
        name, following = self.net.layers[n].neurons[k], self.net.layers[n + 1]
        outputs = n == len(self.net.layers) - 2
        parts = []
        for term in self.w.arrivals(n, k):
            other = following.neurons[term.at[0]]
            part = f"dE_{other}/dout_{name}" if outputs else f"dE/dout_{name} via {other}"
            weight = following.weight_names[term.at[0]][k]
            numbers = f"{self.p(term.upstream)} * {self.p(term.local)}"
            if len(following.neurons) <= self.most:
                self.equation(
                    part, f"delta_{other} * dnet_{other}/dout_{name} = delta_{other} * {weight}", numbers, term.product
                )
                parts.append((part, self.p(term.product), term.product))
            else:
                parts.append((f"delta_{other} * {weight}", numbers, term.product))
        self.equation(f"dE/dout_{name}", *(self.sum(parts) if parts else ("0", "0")), self.w.d_out(n, k))

    def gradient(self, weight: Weight) -> None:
        """dE/dw = delta * dnet/dw."""
        n, k = weight.layer, weight.neurons[0]
        name = self.net.layers[n].neurons[k]
        source = "1" if weight.source is None else self.w.names_before(n)[weight.source]
        terms = self.w.d_net(weight)
        local = terms[0].local if terms else 0.0
        names = f"delta_{name} * dnet_{name}/d{weight.name} = delta_{name} * {source}"
        self.equation(
            f"dE/d{weight.name}", names, f"{self.p(self.w.delta(n, k))} * {self.p(local)}", self.w.gradient(weight)
        )

    def shared(self, weight: Weight) -> None:
        """dE/db of a bias that several neurons share: the sum of their deltas."""
        neurons = self.net.layers[weight.layer].neurons
        parts = [(f"delta_{neurons[t.at[0]]}", self.p(t.product), t.product) for t in self.w.d_net(weight)]
        self.equation(f"dE/d{weight.name}", *(self.sum(parts) if parts else ("0", "0")), self.w.gradient(weight))

    # One weight ---------------------------------------------------------------------------------------------------

    def one(self, weight: Weight) -> None:
        """The chain of one weight alone."""
        n = weight.layer
        self.page.title("Forward: what the weight takes part in")
        for k in weight.neurons:
            self.neuron_forward(n, k)
        if n == len(self.net.layers) - 1:
            if self.net.loss == CROSS_ENTROPY:
                for k in weight.neurons:
                    self.softmax(n, k)
            self.error()
        self.page.title(f"Backward: the chain from E to {weight.name}")
        for later in range(len(self.net.layers) - 1, n, -1):
            chosen = self.chosen(later)
            for k in chosen:
                self.neuron_backward(later, k)
            if len(chosen) < len(self.net.layers[later].neurons):
                self.page.line(
                    f"  and {len(self.net.layers[later].neurons) - len(chosen)} more neurons, with smaller deltas"
                )
            self.page.line()
        for k in weight.neurons:
            self.neuron_backward(n, k)
        if len(weight.neurons) > 1:
            self.shared(weight)
        else:
            self.gradient(weight)
            self.whole_chain(weight)

    def whole_chain(self, weight: Weight) -> None:
        """The three factors in one line."""
        n, k = weight.layer, weight.neurons[0]
        name, terms = self.net.layers[n].neurons[k], self.w.d_net(weight)
        if not terms or (n == len(self.net.layers) - 1 and self.net.loss == CROSS_ENTROPY):
            return
        factors = [self.w.d_out(n, k), self.w.slope(n, k).value, terms[0].local]
        self.page.line()
        self.equation(
            f"dE/d{weight.name}",
            f"dE/dout_{name} * dout_{name}/dnet_{name} * dnet_{name}/d{weight.name}",
            " * ".join(map(self.p, factors)),
            self.w.gradient(weight),
        )


def strip(text: str) -> str:
    """Without parentheses around the whole."""
    depth = 0
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if depth == 0 and i < len(text) - 1:
            return text
    return text[1:-1] if text.startswith("(") else text
