"""A worked network as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from retrograd.explain.layout import Page
from retrograd.explain.network.description import CROSS_ENTROPY, MEAN_SQUARED, Network, Weight
from retrograd.explain.network.worked import Round, Worked
from retrograd.explain.numerals import decimal
from retrograd.explain.text import verdict

TERMS = 6  # so many products of a sum are written out
MOST = 10  # so many neurons of a layer, or weights, are shown


class NetworkText:
    """Writes a worked network.

    Args:
        worked: the numbers.
        digits: decimals.
    """

    def __init__(self, worked: Worked, digits: int = 9) -> None:
        self.w, self.net, self.digits = worked, worked.network, digits
        self.page = Page()

    def n(self, x: Any) -> str:
        """A number."""
        return decimal(x, self.digits)

    def p(self, x: Any) -> str:
        """A number as a part of an expression."""
        text = self.n(x)
        return f"({text})" if text.startswith("-") else text

    def sum(self, parts: Sequence[tuple[str, str, float]]) -> tuple[str, str]:
        """A sum in names and in numbers; of many parts the largest are written out."""
        if len(parts) <= TERMS:
            return " + ".join(names for names, _, _ in parts), " + ".join(numbers for _, numbers, _ in parts)
        largest = sorted(sorted(range(len(parts)), key=lambda i: -abs(parts[i][2]))[: TERMS - 2])
        rest = sum(value for i, (_, _, value) in enumerate(parts) if i not in largest)
        names = " + ".join(parts[i][0] for i in largest)
        numbers = " + ".join(parts[i][1] for i in largest)
        return f"{names} + {len(parts) - len(largest)} more", f"{numbers} + {self.p(rest)}"

    # Sections -----------------------------------------------------------------------------------------------------------

    def heading(self, row: str) -> None:
        """What the network is, and its data."""
        net = self.net
        sizes = "-".join(map(str, net.sizes))
        kinds = ", ".join(dict.fromkeys(layer.activation for layer in net.layers))
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
        rest = f"   and {len(inputs) - len(shown)} more" if len(shown) < len(inputs) else ""
        self.page.row("  inputs", "   ".join(f"{inputs[i][0]} = {self.n(inputs[i][1])}" for i in shown) + rest)
        targets = [f"target_{k} = {self.n(t)}" for k, t in zip(net.outputs, self.w.targets, strict=True)]
        if len(targets) > MOST:
            targets = [t for t, x in zip(targets, self.w.targets, strict=True) if x]
        self.page.row("  targets", "   ".join(targets))

    def forward(self) -> None:
        """Every neuron's net input and output, then the error."""
        for n, layer in enumerate(self.net.layers):
            chosen = self.chosen(n)
            self.page.title(f"Forward: {self.layer_name(n)}{self.of(chosen, len(layer.neurons))}")
            for k in chosen:
                self.net_input(n, k)
                if layer.activation not in ("softmax", "linear"):
                    self.output(n, k)
            if layer.activation == "softmax":
                self.page.line()
                for k in chosen:
                    self.softmax(n, k)
        self.page.title("Error")
        self.error()

    def layer_name(self, n: int) -> str:
        """What a layer is called."""
        last = n == len(self.net.layers) - 1
        return "output layer" if last else "hidden layer" if len(self.net.layers) == 2 else f"hidden layer {n + 1}"

    def of(self, chosen: Sequence[int], count: int) -> str:
        """How many of the neurons are shown."""
        return "" if len(chosen) == count else f" ({len(chosen)} of {count} neurons: those that matter most to the error)"

    def chosen(self, n: int) -> list[int]:
        """The neurons of a layer that are shown: of many those whose output matters most."""
        count = len(self.net.layers[n].neurons)
        if count <= MOST:
            return list(range(count))
        cotangent = self.w.nets[n].cotangent
        weight = np.abs(self.w.nets[n].array if cotangent is None else cotangent)
        return sorted(int(k) for k in np.argsort(-weight, kind="stable")[: MOST // 2])

    def net_input(self, n: int, k: int) -> None:
        """net = sum of weights times inputs, plus the bias."""
        layer, w = self.net.layers[n], self.w
        weights, values = w.leaves[self.first_array(n)].array[k], w.before(n)
        parts = [
            (f"{weight} * {name}", f"{self.p(a)} * {self.p(x)}", float(a * x))
            for weight, name, a, x in zip(layer.weight_names[k], w.names_before(n), weights, values, strict=True)
        ]
        if layer.biases is not None:
            biases = w.leaves[self.first_array(n) + 1].array
            at = () if layer.shared_bias else (k,)
            parts.append((layer.bias_names[0 if layer.shared_bias else k], self.p(biases[at]), float(biases[at])))
        names, numbers = self.sum(parts)
        name = f"  net_{layer.neurons[k]}"
        if layer.activation == "linear":
            name = f"  out_{layer.neurons[k]} = net_{layer.neurons[k]}"
        self.page.row(name, f"= {names}", "")
        self.page.row("", f"= {numbers}", f"= {self.n(w.nets[n].array[k])}")

    def first_array(self, n: int) -> int:
        """The number of a layer's weights among the arrays."""
        return sum(1 if layer.biases is None else 2 for layer in self.net.layers[:n])

    def output(self, n: int, k: int) -> None:
        """out = activation of net."""
        name = self.net.layers[n].neurons[k]
        names, numbers = self.w.activated(n, k, self.digits)
        names = names or f"{self.net.layers[n].activation}(net_{name})"
        self.page.row(f"  out_{name}", f"= {names}", "")
        self.page.row("", f"= {numbers or names}", f"= {self.n(self.w.outs[n].array[k])}")

    def softmax(self, n: int, k: int) -> None:
        """out = exp(net) / sum of exp(net)."""
        name = self.net.layers[n].neurons[k]
        self.page.row(f"  out_{name}", f"= exp(net_{name}) / (sum of exp(net) over the layer)", f"= {self.n(self.w.outs[n].array[k])}")

    def error(self) -> None:
        """The error of each output, and their sum."""
        net, w = self.net, self.w
        shown = [k for k in range(len(net.outputs)) if len(net.outputs) <= MOST or w.errors.array[k]]
        for k in shown[:MOST]:
            name, t, o = net.outputs[k], w.targets[k], w.outs[-1].array[k]
            if net.loss == CROSS_ENTROPY:
                names, numbers = f"-target_{name} * ln(out_{name})", f"-{self.p(t)} * ln({self.n(o)})"
            else:
                square, numbers = f"(target_{name} - out_{name}) ** 2", f"({self.n(t)} - {self.p(o)}) ** 2"
                count = len(net.outputs)
                names = f"{square} / {count}" if net.loss == MEAN_SQUARED else f"1/2 * {square}"
                numbers = f"{numbers} / {count}" if net.loss == MEAN_SQUARED else f"1/2 * {numbers}"
            self.page.row(f"  E_{name}", f"= {names}", "")
            self.page.row("", f"= {numbers}", f"= {self.n(w.errors.array[k])}")
        parts = [(f"E_{net.outputs[k]}", self.p(w.errors.array[k]), float(w.errors.array[k])) for k in shown]
        names, numbers = self.sum(parts)
        self.page.row("  E", f"= {names}", "")
        self.page.row("", f"= {numbers}", f"= {self.n(w.total.array)}")

    def backward(self) -> None:
        """Every gradient, piece by piece, from the last layer to the first."""
        for n in range(len(self.net.layers) - 1, -1, -1):
            layer = self.net.layers[n]
            chosen = self.chosen(n)
            self.page.title(f"Backward: {self.layer_name(n)}{self.of(chosen, len(layer.neurons))}")
            for k in chosen:
                self.neuron(n, k)
                mine = [w for w in self.net.weights() if w.layer == n and w.neurons == (k,)]
                ranked = sorted(mine, key=lambda w: -abs(self.w.gradient(w)))[:MOST]
                for w in [w for w in mine if w in ranked]:
                    self.gradient(w)
                if len(ranked) < len(mine):
                    self.page.line(f"  and {len(mine) - len(ranked)} more weights of {layer.neurons[k]}")
                self.page.line()
            for w in self.net.weights():
                if w.layer == n and len(w.neurons) > 1:
                    self.shared(w)

    def neuron(self, n: int, k: int) -> None:
        """dE/dout, dout/dnet, and delta of a neuron."""
        name, w = self.net.layers[n].neurons[k], self.w
        last = n == len(self.net.layers) - 1
        if last and self.net.loss == CROSS_ENTROPY:
            self.delta_of_softmax(n, k)
            return
        if last:
            self.d_error(k)
        else:
            self.d_hidden(n, k)
        slope = w.slope(n, k, self.digits)
        self.page.row(f"  dout/dnet_{name}", f"= {strip(slope.names)}", "" if slope.numbers else f"= {self.n(slope.value)}")
        if slope.numbers:
            self.page.row("", f"= {strip(slope.numbers)}", f"= {self.n(slope.value)}")
        self.page.row(f"  delta_{name}", f"= dE/dout_{name} * dout/dnet_{name}", "")
        self.page.row("", f"= {self.p(w.d_out(n, k))} * {self.p(slope.value)}", f"= {self.n(w.delta(n, k))}")

    def d_error(self, k: int) -> None:
        """DE/dout of an output neuron."""
        name, t, o = self.net.outputs[k], self.w.targets[k], self.w.outs[-1].array[k]
        factor = "" if self.net.loss != MEAN_SQUARED else f" * 2 / {len(self.net.outputs)}"
        self.page.row(f"  dE/dout_{name}", f"= -(target_{name} - out_{name}){factor}", "")
        self.page.row("", f"= -({self.n(t)} - {self.p(o)}){factor}", f"= {self.n(self.w.d_out(len(self.net.layers) - 1, k))}")

    def d_hidden(self, n: int, k: int) -> None:
        """DE/dout of a hidden neuron: a sum over the neurons that it feeds."""
        name, w = self.net.layers[n].neurons[k], self.w
        following = self.net.layers[n + 1]
        parts = []
        for term in w.arrivals(n, k):
            j = term.at[0]
            parts.append((f"dE_{following.neurons[j]}/dout_{name}", self.p(term.product), term.product))
            if len(following.neurons) <= MOST:
                left = f"  dE_{following.neurons[j]}/dout_{name}" if n == len(self.net.layers) - 2 else f"  via {following.neurons[j]}"
                self.page.row(left, f"= delta_{following.neurons[j]} * {following.weight_names[j][k]}", "")
                self.page.row("", f"= {self.p(term.upstream)} * {self.p(term.local)}", f"= {self.n(term.product)}")
        names, numbers = self.sum(parts)
        if n != len(self.net.layers) - 2 or len(following.neurons) > MOST:
            names = f"the sum of delta * weight over {len(parts)} neurons"
        self.page.row(f"  dE/dout_{name}", f"= {names}", "")
        self.page.row("", f"= {numbers}", f"= {self.n(w.d_out(n, k))}")

    def delta_of_softmax(self, n: int, k: int) -> None:
        """dE/dnet of an output neuron under cross-entropy."""
        name, w = self.net.outputs[k], self.w
        self.page.row(f"  delta_{name}", f"= dE/dnet_{name} = out_{name} - target_{name}", "")
        self.page.row("", f"= {self.p(w.outs[n].array[k])} - {self.p(w.targets[k])}", f"= {self.n(w.delta(n, k))}")

    def gradient(self, weight: Weight) -> None:
        """dE/dw = delta * what the weight weighs."""
        (term,) = self.w.d_net(weight) or [None]
        name = self.net.layers[weight.layer].neurons[weight.neurons[0]]
        source = "1" if weight.source is None else self.w.names_before(weight.layer)[weight.source]
        self.page.row(f"  dE/d{weight.name}", f"= delta_{name} * {source}", "")
        numbers = f"{self.p(term.upstream)} * {self.p(term.local)}" if term else f"{self.p(self.w.delta(weight.layer, weight.neurons[0]))} * 0"
        self.page.row("", f"= {numbers}", f"= {self.n(self.w.gradient(weight))}")

    def shared(self, weight: Weight) -> None:
        """dE/db of a bias that several neurons share: the sum of their deltas."""
        neurons = self.net.layers[weight.layer].neurons
        parts = [(f"delta_{neurons[t.at[0]]}", self.p(t.product), t.product) for t in self.w.d_net(weight)]
        names, numbers = self.sum(parts) if parts else ("0", "0")
        self.page.row(f"  dE/d{weight.name}", f"= {names}", "")
        self.page.row("", f"= {numbers}", f"= {self.n(self.w.gradient(weight))}")

    def update(self, only: Weight | None = None) -> None:
        """Gradients beside finite differences; old and new weights."""
        weights = [only] if only is not None else list(self.net.weights())
        rate = self.net.learning_rate
        if len(weights) > 60:
            weights = sorted(weights, key=lambda w: -abs(self.w.gradient(w)))[:MOST]
            self.page.title(f"Update: the {len(weights)} weights with the largest gradients")
        elif rate is not None:
            self.page.title(f"Update: new = old - {self.n(rate)} * gradient")
        else:
            self.page.title("Gradients")
        self.page.row("  ", "old", "gradient", *(["new"] if rate is not None else []), "finite difference")
        for w in weights:
            check = self.w.check(w)
            beside = f"{self.n(check.difference)}  {verdict(check)}" if check else "not checked"
            new = [self.n(self.w.new[w.array][w.place]) if w.train else "not trained"] if rate is not None else []
            self.page.row(f"  {w.name}", self.n(self.w.value(w)), self.n(self.w.gradient(w)), *new, beside)

    def rounds(self, rounds: Sequence[Round], update: str) -> None:
        """How the error falls."""
        if update == "sequential":
            self.page.title("Training with update=\"sequential\", which is deliberately wrong")
            self.page.line("  Each layer is overwritten before the layers below it get their gradients.")
            self.page.line("  That is not gradient descent; some hand calculations do it.")
            self.page.line()
        else:
            self.page.title("Training")
        one = all(len(r.outputs) == 1 for r in rounds)
        columns = [f"out_{k}" for k in self.net.outputs] if one and len(self.net.outputs) <= MOST else []
        self.page.row("  rounds", "E", *columns)
        for r in rounds:
            self.page.row(f"  {r.number}", self.n(r.error), *([self.n(x) for x in r.outputs[0]] if columns else []))


def strip(text: str) -> str:
    """Without parentheses around the whole."""
    if not (text.startswith("(") and text.endswith(")")):
        return text
    depth = 0
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if depth == 0 and i < len(text) - 1:
            return text
    return text[1:-1]


def published_text(network: Network, digits: int, found: Sequence[tuple[str, int, str, float, float]]) -> list[str]:
    """Printed figures beside ours: (figure, rounds, printed, gradient descent, sequential) each."""
    lines = []
    for figure, rounds, printed, right, wrong in found:
        places = len(printed.partition(".")[2])
        what = f"{figure} after {rounds} round{'s' if rounds != 1 else ''}"
        if f"{right:.{places}f}" == printed:
            verdict = "as here"
        elif f"{wrong:.{places}f}" == printed:
            verdict = f'not {decimal(right, digits)}: it comes from update="sequential", which gives {decimal(wrong, digits)}'
        else:
            verdict = f"neither {decimal(right, digits)} nor, with update=\"sequential\", {decimal(wrong, digits)}"
        lines.append(f"  printed: {what} = {printed}; {verdict}")
    return lines
