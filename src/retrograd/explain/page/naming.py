"""The figures of a network by what they are: each method gives the number of one, and enters it where it is new."""

from __future__ import annotations

from retrograd.explain.network.description import CROSS_ENTROPY, Network, Weight
from retrograd.explain.page.figures import Figures, Moment


class Named:
    """Finds figures.

    Args:
        network: whose.
    """

    def __init__(self, network: Network) -> None:
        self.network, self.figures = network, Figures()
        self.fused = network.loss == CROSS_ENTROPY  # softmax and error are differentiated as one

    def neuron(self, n: int, k: int) -> str:
        """The name of a neuron."""
        return self.network.layers[n].neurons[k]

    # Forward ------------------------------------------------------------------------------------------------------

    def input(self, i: int) -> int:
        return self.figures.number(("input", i), self.network.input_names[i], lambda r: float(r.worked.inputs[i]))

    def target(self, k: int) -> int:
        label = f"target_{self.network.outputs[k]}"
        return self.figures.number(("target", k), label, lambda r: float(r.worked.targets[k]))

    def net(self, n: int, k: int) -> int:
        label = f"net_{self.neuron(n, k)}"
        return self.figures.number(("net", n, k), label, lambda r: float(r.worked.nets[n].array[k]))

    def out(self, n: int, k: int) -> int:
        label = f"out_{self.neuron(n, k)}"
        return self.figures.number(("out", n, k), label, lambda r: float(r.worked.outs[n].array[k]))

    def before(self, n: int, i: int) -> int:
        """What enters layer `n` at place `i`."""
        return self.input(i) if n == 0 else self.out(n - 1, i)

    def rest(self, n: int, k: int, without: tuple[int, ...]) -> int:
        """The products in the net input of a neuron that are not shown."""
        label = f"the rest of net_{self.neuron(n, k)}"
        return self.figures.number(("rest", n, k), label, lambda r: r.other_products(n, k, without))

    def error(self, k: int) -> int:
        label = f"E_{self.network.outputs[k]}"
        return self.figures.number(("error", k), label, lambda r: float(r.worked.errors.array[k]))

    def total(self) -> int:
        return self.figures.number("total", "E", lambda r: float(r.worked.total.array))

    # Backward -----------------------------------------------------------------------------------------------------

    def d_out(self, n: int, k: int) -> int:
        label = f"dE/dout_{self.neuron(n, k)}"
        return self.figures.number(("d_out", n, k), label, lambda r: r.worked.d_out(n, k))

    def slope(self, n: int, k: int) -> int:
        name = self.neuron(n, k)
        return self.figures.number(("slope", n, k), f"dout_{name}/dnet_{name}", lambda r: r.worked.slope_value(n, k))

    def delta(self, n: int, k: int) -> int:
        label = f"delta_{self.neuron(n, k)}"
        return self.figures.number(("delta", n, k), label, lambda r: r.worked.delta(n, k))

    def arrival(self, n: int, k: int, j: int) -> int:
        """What neuron `j` of the next layer hands back."""
        name, other = self.neuron(n, k), self.neuron(n + 1, j)
        last = n == len(self.network.layers) - 2
        label = f"dE_{other}/dout_{name}" if last else f"dE/dout_{name} via {other}"
        return self.figures.number(("arrival", n, k, j), label, lambda r: r.arrival(n, k, j))

    def other_arrivals(self, n: int, k: int, without: tuple[int, ...]) -> int:
        label = f"the rest of dE/dout_{self.neuron(n, k)}"
        return self.figures.number(("arrivals", n, k), label, lambda r: r.other_arrivals(n, k, without))

    # Weights ------------------------------------------------------------------------------------------------------

    def weight(self, w: Weight) -> int:
        return self.figures.number((w, "value"), w.name, lambda m: float(m.arrays[w.array][w.place]), shared=True)

    def local(self, w: Weight) -> int:
        """dnet/dweight."""
        label = f"dnet_{self.neuron(w.layer, w.neurons[0])}/d{w.name}"
        return self.figures.number((w, "local"), label, lambda r: r.local(w))

    def gradient(self, w: Weight) -> int:
        """dE/dweight of the row."""
        return self.figures.number((w, "gradient"), f"dE/d{w.name}", lambda r: r.worked.gradient(w))

    def gradient_of_row(self, w: Weight, row: int) -> int:
        def read(m: Moment) -> float:
            return m.gradient_of_row(w, row)

        return self.figures.number((w, "row", row), f"dE/d{w.name} of row {row}", read, shared=True)

    def whole_gradient(self, w: Weight) -> int:
        """dE/dweight over all rows; of one row that is its own."""
        if len(self.network.inputs) == 1:
            return self.gradient(w)
        return self.figures.number((w, "whole"), f"dE/d{w.name} of all rows", lambda m: m.gradient(w), shared=True)

    def new(self, w: Weight) -> int:
        return self.figures.number((w, "new"), f"new {w.name}", lambda m: float(m.new[w.array][w.place]), shared=True)

    # The whole ----------------------------------------------------------------------------------------------------

    def rate(self) -> int:
        return self.figures.number("rate", "η", lambda m: float(m.network.learning_rate or 0.0), shared=True)

    def whole_error(self) -> int:
        """E over all rows."""
        if len(self.network.inputs) == 1:
            return self.total()
        return self.figures.number("whole", "E of all rows", lambda m: m.error, shared=True)

    def answer(self, row: int, k: int) -> int:
        """What comes out for a row."""
        label = f"out_{self.network.outputs[k]} of row {row}"
        return self.figures.number(("answer", row, k), label, lambda m: float(m.outputs[row, k]), shared=True)

    def error_after(self) -> int:
        return self.figures.number("after", "E after the update", lambda m: m.error_after, shared=True)
