"""The story of a page: one step for each operation, forward, backward, and the update."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from retrograd.explain.formulas import formula, local_in_names
from retrograd.explain.network.description import CROSS_ENTROPY, MEAN_SQUARED, Weight
from retrograd.explain.network.text import strip
from retrograd.explain.network.worked import Worked
from retrograd.explain.page.figures import WRITTEN_OUT
from retrograd.explain.page.folding import Shown
from retrograd.explain.page.naming import Named
from retrograd.explain.page.pieces import Equation, Line, Piece, Step, joined, node, parsed, placed, sources_node

APART = 4  # so many weights of a neuron get a step each; more share one
FEW_WEIGHTS = 20  # likewise in the update

ACTIVATED = {
    "logistic": "The logistic function turns any number into one between 0 and 1.",
    "tanh": "The hyperbolic tangent turns any number into one between -1 and 1.",
    "relu": "What is below 0 becomes 0; the rest passes.",
    "softplus": "A smooth version of: what is below 0 becomes 0, the rest passes.",
    "linear": "A linear neuron hands its net input on as it is.",
}


@dataclass
class Story:
    """Writes the steps.

    Args:
        worked: one example through the network; what its operations are is read here, not their numbers.
        shown: what is drawn.
        named: finds the figures.
        rows: how many the data has; rate: the learning rate, None if there is no update.

    Attributes:
        steps: the story.
        errors: the outputs whose errors are told one by one.
    """

    worked: Worked
    shown: Shown
    named: Named
    rows: int = 1
    rate: float | None = None
    steps: list[Step] = field(default_factory=list)
    errors: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        self.net = self.worked.network
        self.last = len(self.net.layers) - 1
        self.weights = [w for w in self.net.weights() if self.draws(w)]
        for n in range(self.last + 1):
            self.forward(n)
        self.error()
        for n in range(self.last, -1, -1):
            self.backward(n)
        if self.rate is not None:
            self.update()

    def draws(self, w: Weight) -> bool:
        """Whether a weight is drawn."""
        source = w.source is None or w.source in self.shown.columns[w.layer]
        return source and any(k in self.shown.columns[w.layer + 1] for k in w.neurons)

    def add(self, phase: str, title: str, say: str, *equations: Equation, **focus: Any) -> None:
        """One more step."""
        self.steps.append(Step(phase, title, say, equations, **focus))

    def layer_name(self, n: int) -> str:
        """What a layer is called."""
        if n == self.last:
            return "output layer"
        return "hidden layer" if self.last == 1 else f"hidden layer {n + 1}"

    def left_out(self, column: int) -> int:
        """How many of a column are not drawn."""
        return self.net.sizes[column] - len(self.shown.columns[column])

    # Forward ------------------------------------------------------------------------------------------------------

    def forward(self, n: int) -> None:
        """The neurons of a layer, one after the other."""
        phase, layer = f"Forward: {self.layer_name(n)}", self.net.layers[n]
        for k in self.shown.columns[n + 1]:
            self.net_input(phase, n, k)
            if layer.activation != "softmax":
                self.output(phase, n, k)
        if layer.activation == "softmax":
            for k in self.shown.columns[n + 1]:
                self.softmax(phase, n, k)

    def net_input(self, phase: str, n: int, k: int) -> None:
        """Net = sum of weight * input + bias."""
        layer, named, column = self.net.layers[n], self.named, self.shown.columns[n]
        pieces: list[Piece] = []
        for w in self.into(n, k):
            product = [named.weight(w)] if w.source is None else [named.weight(w), " * ", named.before(n, w.source)]
            pieces += [" + ", *product]
        if self.left_out(n):
            at = -2 if layer.biases is not None else len(pieces)
            pieces[at:at] = [" + ", named.rest(n, k, column)]
        name = layer.neurons[k]
        bias = "" if layer.biases is None else ", plus its bias"
        self.add(
            phase,
            f"Net input of {name}",
            f"{name} adds up what comes in, each value times the weight of its arrow{bias}.",
            Equation(named.net(n, k), ((pieces[1:], True),)),
            nodes=(*self.sources(n), node(n, k)),
            edges=self.edges_into(n, k),
        )

    def output(self, phase: str, n: int, k: int) -> None:
        """Out = activation(net)."""
        layer, named = self.net.layers[n], self.named
        net = named.net(n, k)
        pieces: list[Piece] = [net]
        step = self.worked.activation_step(n)
        if step is not None and step.prim is not None:
            pieces = parsed(formula(step.prim, [placed(net)]))
        elif layer.activation != "linear":
            pieces = [f"{layer.activation}(", net, ")"]
        say = ACTIVATED.get(layer.activation, f"The activation of this layer is {layer.activation}.")
        equation = Equation(named.out(n, k), ((pieces, True),))
        self.add(phase, f"Output of {layer.neurons[k]}", say, equation, nodes=(node(n, k),))

    def softmax(self, phase: str, n: int, k: int) -> None:
        """Out = exp(net) / sum of exp(net)."""
        layer, named = self.net.layers[n], self.named
        below: list[Piece] = [["the sum of exp(net) over the layer"]]
        if len(layer.neurons) <= APART:
            terms: list[list[Piece]] = [["exp(", named.net(n, j), ")"] for j in range(len(layer.neurons))]
            below = ["(", *joined(terms, " + "), ")"]
        pieces: list[Piece] = ["exp(", named.net(n, k), ") / ", *below]
        self.add(
            phase,
            f"Output of {layer.neurons[k]}",
            "The softmax makes probabilities of the net inputs: all positive, and together 1.",
            Equation(named.out(n, k), ((pieces, len(layer.neurons) <= APART),)),
            nodes=tuple(node(n, j) for j in self.shown.columns[n + 1]),
        )

    def error(self) -> None:
        """The error of each output, and their sum."""
        named, net = self.named, self.net
        chosen = [k for k in self.shown.columns[-1] if net.loss != CROSS_ENTROPY or self.rows > 1 or self.counts(k)]
        for k in chosen:
            o, t = named.out(self.last, k), named.target(k)
            name = net.outputs[k]
            if net.loss == CROSS_ENTROPY:
                pieces: list[Piece] = ["-", t, " * ln(", o, ")"]
                say = f"The smaller the probability of the right answer, the larger the error of {name}."
            else:
                square: list[Piece] = ["(", t, " - ", o, ") ** 2"]
                mean = net.loss == MEAN_SQUARED
                pieces = [*square, f" / {len(net.outputs)}"] if mean else ["1/2 * ", *square]
                say = f"How far {name} is from its target, squared."
            self.add("Error", f"Error of {name}", say, Equation(named.error(k), ((pieces, True),)), **self.of_error(k))
        self.errors = tuple(chosen)
        line: Line = (joined([[named.error(k)] for k in chosen], " + "), True)
        if self.left_out(-1):
            line = ([["the sum of the errors of all outputs"]], False)
        errors = tuple(f"e{k}" for k in chosen)
        outputs = tuple(f"{node(self.last, k)}>E" for k in chosen)
        say = "The errors add up. This is the number that the network is to make small."
        equation = Equation(named.total(), (line,))
        self.add(
            "Error", "Total error", say, equation, nodes=(*errors, "E"), edges=(*[f"{e}>E" for e in errors], *outputs)
        )

    def counts(self, k: int) -> bool:
        """Whether an output adds to the cross-entropy."""
        return bool(self.worked.targets[k])

    def of_error(self, k: int) -> dict[str, Any]:
        """What to look at for the error of an output, forward."""
        here = node(self.last, k)
        return {"nodes": (here, f"e{k}"), "edges": (f"{here}>e{k}",)}

    # Backward -----------------------------------------------------------------------------------------------------

    def backward(self, n: int) -> None:
        """Every neuron of a layer: dE/dout, dout/dnet, delta; then its weights."""
        phase = f"Backward: {self.layer_name(n)}"
        for k in self.shown.columns[n + 1]:
            if n == self.last and self.named.fused:
                self.fused_delta(phase, k)
            else:
                if n == self.last:
                    self.d_error(phase, k)
                else:
                    self.d_hidden(phase, n, k)
                self.slope(phase, n, k)
                self.delta(phase, n, k)
            self.gradients(phase, n, k)
        for w in self.weights:
            if w.layer == n and len(w.neurons) > 1:
                self.shared(phase, w)

    def fused_delta(self, phase: str, k: int) -> None:
        """Delta = out - target, of softmax and cross-entropy together."""
        named, name = self.named, self.net.outputs[k]
        pieces: list[Piece] = [named.out(self.last, k), " - ", named.target(k)]
        self.add(
            phase,
            f"δ of {name}",
            "For softmax with cross-entropy the whole chain from the error to the net input is simply: "
            "what came out, minus what should have.",
            Equation(named.delta(self.last, k), ((pieces, True),), alias=f"dE/dnet_{name}"),
            **self.back_from_error(k),
        )

    def back_from_error(self, k: int) -> dict[str, Any]:
        """What to look at for the error of an output, backward."""
        here = node(self.last, k)
        return {"nodes": ("E", f"e{k}", here), "edges": (f"e{k}>E", f"{here}>e{k}", f"{here}>E"), "back": True}

    def d_error(self, phase: str, k: int) -> None:
        """dE/dout of an output neuron."""
        named, name = self.named, self.net.outputs[k]
        mean = self.net.loss == MEAN_SQUARED
        factor: list[Piece] = [f" * 2 / {len(self.net.outputs)}"] if mean else []
        pieces: list[Piece] = ["-(", named.target(k), " - ", named.out(self.last, k), ")", *factor]
        self.add(
            phase,
            f"The error and the output of {name}",
            f"How much the error grows when the output of {name} grows a little.",
            Equation(named.d_out(self.last, k), ((pieces, True),)),
            **self.back_from_error(k),
        )

    def d_hidden(self, phase: str, n: int, k: int) -> None:
        """dE/dout of a hidden neuron: a sum over the neurons that it feeds."""
        named, column = self.named, self.shown.columns[n + 2]
        name, equations, parts = self.named.neuron(n, k), [], list[list[Piece]]()
        apart = len(column) <= APART and not self.left_out(n + 2)
        for j in column:
            w = next(w for w in self.into(n + 1, j) if w.source == k)
            product: list[Piece] = [named.delta(n + 1, j), " * ", named.weight(w)]
            if apart:
                arrival = named.arrival(n, k, j)
                equations.append(Equation(arrival, ((product, True),)))
                parts.append([arrival])
            else:
                parts.append(product)
        if self.left_out(n + 2):
            parts.append([named.other_arrivals(n, k, column)])
        equations.append(Equation(named.d_out(n, k), ((joined(parts, " + "), True),)))
        fed = f"the {len(column)} neurons" if self.net.sizes[n + 2] > 1 else "the neuron"
        self.add(
            phase,
            f"The error and the output of {name}",
            f"{name} feeds {fed} behind it. Each hands back its δ, times the weight of the arrow; they add up.",
            *equations,
            nodes=(*[node(n + 1, j) for j in column], node(n, k)),
            edges=tuple(f"{node(n, k)}>{node(n + 1, j)}" for j in column),
            back=True,
        )

    def slope(self, phase: str, n: int, k: int) -> None:
        """dout/dnet of a neuron."""
        named, layer = self.named, self.net.layers[n]
        name, step = layer.neurons[k], self.worked.activation_step(n)
        pieces: list[Piece] = [[f"the slope of {layer.activation} at net_{name}"]]
        if step is not None and step.prim is not None:
            text = local_in_names(step.prim, 0, [placed(named.net(n, k))], placed(named.out(n, k)), "")
            pieces = parsed(strip(text))
        elif layer.activation == "linear":
            pieces = ["1"]
        self.add(
            phase,
            f"The slope of {name}",
            f"How much the output of {name} grows when its net input grows a little: the slope of the activation.",
            Equation(named.slope(n, k), ((pieces, any(isinstance(p, int) for p in pieces)),)),
            nodes=(node(n, k),),
            back=True,
        )

    def delta(self, phase: str, n: int, k: int) -> None:
        """Delta = dE/dout * dout/dnet."""
        named, name = self.named, self.named.neuron(n, k)
        pieces: list[Piece] = [named.d_out(n, k), " * ", named.slope(n, k)]
        self.add(
            phase,
            f"δ of {name}",
            f"The chain rule multiplies the two. This is how much the error depends on the net input of {name}; "
            "all of its weights use it.",
            Equation(named.delta(n, k), ((pieces, True),), alias=f"dE/dnet_{name}"),
            nodes=(node(n, k),),
            back=True,
        )

    def gradients(self, phase: str, n: int, k: int) -> None:
        """dE/dw of the weights that feed this neuron alone."""
        own = [w for w in self.into(n, k) if len(w.neurons) == 1]
        name = self.named.neuron(n, k)
        here = {"nodes": (*self.sources(n), node(n, k)), "edges": self.edges_into(n, k), "back": True}
        if len(own) > APART + 1:
            say = f"Each weight of {name}: δ of {name}, times what the weight multiplies."
            more = f" {self.left_out(n)} more are not shown." if self.left_out(n) else ""
            self.add(phase, f"The weights of {name}", say + more, *[self.gradient(w, False) for w in own], **here)
            return
        for w in own:
            source = "b" + str(n) if w.source is None else sources_node(n, w.source)
            times = "1, for a bias" if w.source is None else "what the weight multiplies"
            self.add(
                phase,
                f"The gradient of {w.name}",
                f"How much the error depends on {w.name}: δ of {name}, times {times}.",
                self.gradient(w, True),
                nodes=(source, node(n, k)),
                edges=(f"{source}>{node(n, k)}",),
                back=True,
            )

    def gradient(self, w: Weight, factors: bool) -> Equation:
        """dE/dw, as three factors and as delta times input."""
        n, k, named = w.layer, w.neurons[0], self.named
        source: Piece = "1" if w.source is None else named.before(n, w.source)
        short: Line = ([named.delta(n, k), " * ", source], True)
        if not factors:
            return Equation(named.gradient(w), (short,))
        fused = n == self.last and named.fused
        chain: list[Piece] = [named.delta(n, k)] if fused else [named.d_out(n, k), " * ", named.slope(n, k)]
        return Equation(named.gradient(w), (([*chain, " * ", named.local(w)], True), short))

    def shared(self, phase: str, w: Weight) -> None:
        """dE/db of a bias that several neurons share."""
        named, n = self.named, w.layer
        parts: list[list[Piece]] = [[named.delta(n, k)] for k in self.shown.columns[n + 1]]
        line: Line = (joined(parts, " + "), True)
        if self.left_out(n + 1):
            line = ([["the sum of all deltas of the layer"]], False)
        bias = f"b{n}"
        self.add(
            phase,
            f"The gradient of {w.name}",
            f"All neurons of the layer share {w.name}: their δ add up.",
            Equation(named.gradient(w), (line,)),
            nodes=(bias, *[node(n, k) for k in self.shown.columns[n + 1]]),
            edges=tuple(f"{bias}>{node(n, k)}" for k in self.shown.columns[n + 1]),
            back=True,
        )

    # The update ---------------------------------------------------------------------------------------------------

    def update(self) -> None:
        """New = old - rate * gradient, of what is trained; and the error that follows."""
        moving = [w for w in self.weights if w.train]
        apart = len(moving) <= FEW_WEIGHTS
        groups: list[list[Weight]] = [[w] for w in moving]
        if not apart:
            columns = [(n, k) for n in range(self.last + 1) for k in self.shown.columns[n + 1]]
            groups = [[w for w in moving if w.layer == n and w.neurons[0] == k] for n, k in columns]
        for group in [g for g in groups if g]:
            title = f"New {group[0].name}" if apart else f"The new weights of {self.named.neuron(*at(group[0]))}"
            mean = " The gradient is the mean over all rows." if self.rows > 1 else ""
            self.add(
                "Update",
                title,
                f"A step down the slope: the old value, minus the learning rate η times the gradient.{mean}",
                *[e for w in group for e in self.moved(w)],
                edges=tuple(edge for w in group for edge in self.edges_of(w)),
            )
        fixed = list(dict.fromkeys(w.name for w in self.weights if not w.train))
        kept = f" Not trained: {', '.join(fixed[:6])}{', ...' if len(fixed) > 6 else ''}." if fixed else ""
        self.add(
            "Update",
            "The error after the update",
            f"All weights change at once; then everything is computed anew.{kept}",
            Equation(self.named.error_after(), (([["E with the new weights"]], False),)),
            nodes=("E",),
        )

    def moved(self, w: Weight) -> list[Equation]:
        """The new value of a weight."""
        named, found = self.named, []
        whole = named.whole_gradient(w)
        if self.rows > 1:
            line: Line = ([[f"the mean over {self.rows} rows"]], False)
            if self.rows <= WRITTEN_OUT:
                parts: list[list[Piece]] = [[named.gradient_of_row(w, r)] for r in range(self.rows)]
                line = (["(", *joined(parts, " + "), f") / {self.rows}"], True)
            found.append(Equation(whole, (line,)))
        pieces: list[Piece] = [named.weight(w), " - ", named.rate(), " * ", whole]
        return [*found, Equation(named.new(w), ((pieces, True),))]

    # Where things are ---------------------------------------------------------------------------------------------

    def into(self, n: int, k: int) -> list[Weight]:
        """The drawn weights that feed a neuron, in the order of its inputs, the bias last."""
        return [w for w in self.weights if w.layer == n and k in w.neurons]

    def sources(self, n: int) -> tuple[str, ...]:
        """The nodes that feed a layer."""
        bias = () if self.net.layers[n].biases is None else (f"b{n}",)
        return (*[sources_node(n, i) for i in self.shown.columns[n]], *bias)

    def edges_into(self, n: int, k: int) -> tuple[str, ...]:
        """The arrows into a neuron."""
        return tuple(f"{source}>{node(n, k)}" for source in self.sources(n))

    def edges_of(self, w: Weight) -> tuple[str, ...]:
        """The arrows of a weight."""
        source = f"b{w.layer}" if w.source is None else sources_node(w.layer, w.source)
        return tuple(f"{source}>{node(w.layer, k)}" for k in w.neurons)


def at(w: Weight) -> tuple[int, int]:
    """The first neuron that a weight feeds."""
    return w.layer, w.neurons[0]
