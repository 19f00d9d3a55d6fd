"""Networks in JSON: what is read, what is refused, and that every number is the engine's for these very weights."""

import itertools
import json
import math
import re

import numpy as np
import pytest

from retrograd.errors import ModelError
from retrograd.explain.network import explain_network
from retrograd.explain.network.files import BUILT_IN, LARGEST, built_in_text, load, network_from, parsed, schema


def record(**changes):
    base = {
        "inputs": [0.5, -1.0],
        "targets": [1.0],
        "layers": [{"weights": [[0.1, 0.2]], "bias": 0.3, "activation": "tanh"}],
        "loss": "half squared error",
        "learning_rate": 0.1,
    }
    return {**base, **changes}


def logistic(z):
    return 1 / (1 + np.exp(-z))


# --------------------------------------------------------------------------------------- an independent computation


def by_hand(content, row=0):
    """The figures of a fully connected network, in NumPy alone, from the textbook's equations."""
    activations = {
        "logistic": (logistic, lambda _, a: a * (1 - a)),
        "tanh": (np.tanh, lambda _, a: 1 - a**2),
        "relu": (lambda z: np.maximum(z, 0), lambda z, _: (z > 0) * 1.0),
        "linear": (lambda z: z, lambda z, _: np.ones_like(z)),
        "softplus": (lambda z: np.log1p(np.exp(z)), lambda z, _: logistic(z)),
        "softmax": (lambda z: np.exp(z) / np.exp(z).sum(), None),
    }
    number = lambda p: p["value"] if isinstance(p, dict) else p
    layers = []
    for layer in content["layers"]:
        weights = np.array([[number(p) for p in r] for r in layer["weights"]])
        biases = [number(layer["bias"])] * len(weights) if "bias" in layer else [number(p) for p in layer["biases"]]
        layers.append((weights, np.array(biases), layer["activation"]))
    x, t = np.array(content["inputs"][row]), content["targets"][row]
    t = np.eye(len(layers[-1][0]))[t] if isinstance(t, int) else np.array(t)
    nets, outs = [], [x]
    for weights, biases, name in layers:
        nets.append(weights @ outs[-1] + biases)
        outs.append(activations[name][0](nets[-1]))
    if content["loss"] == "cross-entropy":
        errors, delta = -t * np.log(outs[-1]), outs[-1] - t
    else:
        scale = 1 if content["loss"] == "half squared error" else 2 / len(t)
        errors = scale * (t - outs[-1]) ** 2 / 2
        delta = scale * (outs[-1] - t) * activations[layers[-1][2]][1](nets[-1], outs[-1])
    deltas = [delta]
    for n in range(len(layers) - 1, 0, -1):
        slope = activations[layers[n - 1][2]][1](nets[n - 1], outs[n])
        deltas.insert(0, (layers[n][0].T @ deltas[0]) * slope)
    gradients = [(np.outer(d, outs[n]), d) for n, d in enumerate(deltas)]
    return nets, outs[1:], errors, deltas, gradients


def assert_is(content, row=0):
    """Every figure is what the independent computation gives."""
    found = explain_network(network_from(content, "net"), row=row)
    nets, outs, errors, deltas, gradients = by_hand(content, row)
    figures, network, worked = found.figures(), found.network, found.worked
    for n, layer in enumerate(network.layers):
        for k, name in enumerate(layer.neurons):
            assert figures[f"net_{name}"] == pytest.approx(nets[n][k], rel=1e-12, abs=1e-14)
            assert figures[f"out_{name}"] == pytest.approx(outs[n][k], rel=1e-12, abs=1e-14)
            assert figures[f"delta_{name}"] == pytest.approx(deltas[n][k], rel=1e-11, abs=1e-14)
    assert [figures[f"E_{name}"] for name in network.outputs] == pytest.approx(errors, rel=1e-11, abs=1e-15)
    assert figures["E"] == pytest.approx(errors.sum(), rel=1e-12)
    for w in network.weights():
        whole, delta = gradients[w.layer]
        wanted = whole[w.place] if w.source is not None else delta.sum() if not w.place else delta[w.place]
        assert figures[f"dE/d{w.name}"] == pytest.approx(wanted, rel=1e-11, abs=1e-14), w.name
        moved = network.learning_rate * wanted if w.train else 0.0
        assert figures[f"new {w.name}"] == pytest.approx(worked.value(w) - moved, rel=1e-12), w.name
    assert all(c.agrees for g in worked.gradients for c in g.checks)
    assert sum(len(g.checks) for g in worked.gradients) == sum(g.array.size for g in worked.gradients)
    return found


@pytest.mark.parametrize("name", ["mazur", "3-2-2"])
@pytest.mark.parametrize("layer", [0, 1])
def test_a_changed_weight_changes_every_figure_to_what_the_engine_computes(name, layer):
    content = json.loads(built_in_text(name))
    before = assert_is(content).figures()
    content["layers"][layer]["weights"][1][0]["value"] += 0.37
    after = assert_is(content).figures()
    last = network_from(content, "net").outputs[1]
    for figure in (f"net_{last}", f"out_{last}", f"E_{last}", "E", f"delta_{last}", "dE/dw1", "new w1", "E after"):
        assert before[figure] != after[figure], figure


@pytest.mark.parametrize("seed", range(4))
def test_a_random_relu_network_with_cross_entropy(seed):
    rng = np.random.default_rng(seed)
    sizes = [3, 5, 4, 2]
    layers = [
        {"weights": rng.normal(size=(o, i)).tolist(), "biases": rng.normal(size=o).tolist(), "activation": "relu"}
        for i, o in itertools.pairwise(sizes)
    ]
    layers[-1]["activation"] = "softmax"
    inputs = rng.normal(size=(4, 3)).tolist()
    content = {
        "inputs": inputs,
        "targets": [0, 1, 1, 0],
        "layers": layers,
        "loss": "cross-entropy",
        "learning_rate": 0.1,
    }
    for row in range(4):
        assert_is(content, row)


@pytest.mark.parametrize("activation", ["logistic", "tanh", "relu", "softplus", "linear"])
@pytest.mark.parametrize("loss", ["half squared error", "mean squared error"])
def test_every_activation_and_loss(activation, loss):
    rng = np.random.default_rng(5)
    layers = [
        {"weights": rng.normal(size=(3, 2)).tolist(), "bias": 0.2, "activation": activation},
        {"weights": rng.normal(size=(2, 3)).tolist(), "biases": [0.1, -0.2], "activation": activation},
    ]
    assert_is(record(inputs=[[0.4, -0.9]], targets=[[0.2, 0.7]], layers=layers, loss=loss))


def test_probabilities_as_targets():
    layer = {"weights": [[0.3, -0.2], [0.5, 0.1], [-0.4, 0.9]], "biases": [0, 0, 0.1], "activation": "softmax"}
    content = record(inputs=[[0.4, -0.9]], targets=[[0.2, 0.5, 0.3]], layers=[layer], loss="cross-entropy")
    assert_is(content)


def test_rounds_are_made_on_all_rows_at_once():
    content = record(inputs=[[1.0], [2.0], [-1.0]], targets=[[0.5], [1.5], [0.1]])
    content["layers"] = [{"weights": [[0.3]], "bias": 0.1, "activation": "linear"}]
    w, b = 0.3, 0.1
    for _ in range(25):
        x, t = np.array([1.0, 2.0, -1.0]), np.array([0.5, 1.5, 0.1])
        miss = w * x + b - t
        w, b = w - 0.1 * (miss * x).mean(), b - 0.1 * miss.mean()
    found = explain_network(network_from(content, "net"), row=1, rounds=25).rounds[-1]
    assert found.error == pytest.approx(((w * x + b - t) ** 2 / 2).mean(), rel=1e-12)
    assert found.outputs.ravel() == pytest.approx(w * x + b, rel=1e-12)


def test_a_weight_that_is_not_trained_stays():
    layer = {"weights": [[{"value": 0.1, "train": False}, 0.2]], "bias": {"value": 0.3, "train": False}}
    content = record(layers=[{**layer, "activation": "tanh"}])
    figures = explain_network(network_from(content, "net"), rounds=3).figures()
    assert (figures["new w1"], figures["new b1"]) == (0.1, 0.3) and figures["new w2"] != 0.2
    content["layers"][0]["train"] = False
    content["layers"][0]["weights"] = [[0.1, {"value": 0.2, "train": True}]]
    figures = explain_network(network_from(content, "net")).figures()
    assert figures["new w1"] == 0.1 and figures["new w2"] != 0.2


# ------------------------------------------------------------------------------------------------------- the text


def arithmetic(text):
    """Every printed equation with numbers: (expression, printed value)."""
    names = {"exp": math.exp, "ln": math.log, "max": max, "log": math.log, "tanh": math.tanh}
    names["where"] = lambda c, a, b: a if c else b
    joined = re.sub(r"\n {4,}(\+ )", r" \1", text)
    for line in joined.splitlines():
        found = re.search(r"= (.*\d.*?)\s+= (-?[\d.]+(?:e-?\d+)?)$", line)
        if found and not re.search(
            r"[A-Za-z_]", re.sub(r"\b(exp|ln|max|log|tanh|where)\b|\de-?\d", "", found.group(1))
        ):
            value = eval(found.group(1), {"__builtins__": {}}, names)  # noqa: S307 - our own text
            yield found.group(1), value, float(found.group(2))


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_printed_equation_holds(name):
    found = list(arithmetic(explain_network(name).text(12)))
    assert len(found) > 25
    for expression, value, printed in found:
        assert value == pytest.approx(printed, rel=1e-9, abs=5e-11), expression


def test_printed_equations_of_a_relu_network_hold():
    layers = [
        {"weights": [[0.3, -0.8], [0.5, 0.1], [-0.4, 0.9]], "biases": [0, 0.2, 0.1], "activation": "relu"},
        {"weights": [[0.3, -0.2, 0.1], [0.5, 0.1, -0.7]], "bias": 0.1, "activation": "softmax"},
    ]
    content = record(inputs=[[0.4, -0.9]], targets=[1], layers=layers, loss="cross-entropy")
    found = list(arithmetic(explain_network(network_from(content, "net")).text(12)))
    assert len(found) > 25
    for expression, value, printed in found:
        assert value == pytest.approx(printed, rel=1e-9, abs=5e-11), expression


def test_one_weight_alone():
    text = str(explain_network("mazur", weight="w5"))
    assert "dE/dout_o1 * dout_o1/dnet_o1 * dnet_o1/dw5" in text
    assert "= 0.74136507 * 0.186815602 * 0.593269992" in text and "0.082167041" in text
    assert "dE/dw6" not in text and "Training" not in text
    hidden = str(explain_network("mazur", weight="w1"))
    assert "delta_o2" in hidden and "dE/dout_h1 * dout_h1/dnet_h1 * dnet_h1/dw1" in hidden and "dE/dw2" not in hidden
    assert "delta_h1 + delta_h2" in str(explain_network("mazur", weight="b1"))


def test_lines_fit():
    text = str(explain_network("mazur"))
    assert max(map(len, text.splitlines())) <= 125 and text.isascii() and "\x1b" not in text


def test_other_digits():
    assert "0.593269992107187" in explain_network("mazur").text(15)
    assert "0.5933 " in explain_network("mazur").text(4)


# -------------------------------------------------------------------------------------------------- hostile files


def layer(weights, **more):
    return {"weights": weights, "activation": "tanh", **more}


WRONG = [
    ([], "the file: [] is no object"),
    ({}, "'inputs' is missing"),
    ({k: v for k, v in record().items() if k != "loss"}, "'loss' is missing"),
    (record(los="x"), "there is no 'los' here; the keys are"),
    (record(inputs=[]), "inputs: the list is empty"),
    (record(inputs="0.5"), 'inputs: "0.5" cannot stand here: write a list'),
    (record(inputs=[[]]), "inputs[0]: the list is empty"),
    (record(inputs=[0.5, "x"]), 'inputs[1]: "x" cannot stand here: write a number'),
    (record(inputs=[0.5, True]), "inputs[1]: true cannot stand here: write a number"),
    (record(inputs=[0.5, None]), "inputs[1]: null cannot stand here: write a number"),
    (record(inputs=[[0.5, 1], 2]), "inputs: rows and single numbers are mixed"),
    (record(inputs=[[0.5, 1], [2]], targets=[[1], [1]]), "inputs[1]: the row has 1 numbers, the first row has 2"),
    (record(inputs=[0.5, 10**400]), "inputs[0]: the number is too large"),
    (record(targets=[1, 2]), "targets[0]: the row has 2 numbers, the last layer has 1"),
    (record(inputs=[[1, 2], [3, 4]]), "targets: there are 1 rows for 2 rows of inputs"),
    (record(layers=[]), "layers: the list is empty: list at least one layer"),
    (record(layers=[1]), "layers[0]: 1 is no object: it needs {...} with weights, activation"),
    (record(layers=[{"weights": [[1, 2]]}]), "layers[0]: 'activation' is missing"),
    (record(layers=[layer([[1]])]), "layers[0].weights[0]: the row has 1 weights for 2 inputs"),
    (record(layers=[layer([1, 2])]), "layers[0].weights[0]: 1 cannot stand here: write a row"),
    (record(layers=[layer([["a", 2]])]), 'layers[0].weights[0][0]: "a" cannot stand here'),
    (record(layers=[layer([[{}, 2]])]), "layers[0].weights[0][0]: 'value' is missing"),
    (record(layers=[layer([[{"value": 1, "x": 2}, 2]])]), "there is no 'x' here"),
    (record(layers=[{"weights": [[1, 2]], "activation": "sine"}]), 'activation: "sine" cannot stand here: choose'),
    (record(layers=[layer([[1, 2]], bias=1, biases=[1])]), "both 'bias' and 'biases'"),
    (record(layers=[layer([[1, 2]], biases=[1, 2])]), "there are 2 biases for 1 neurons"),
    (record(layers=[{"weights": [[1, 2]], "activation": "softmax"}]), "softmax is for the last layer"),
    (record(loss="cross-entropy"), "layers[0].activation: cross-entropy needs softmax"),
    (record(loss="mse"), 'loss: "mse" cannot stand here: choose'),
    (record(learning_rate=0), "learning_rate: 0 cannot stand here: give a number above 0"),
    (record(learning_rate="fast"), 'learning_rate: "fast" cannot stand here'),
    (record(input_names=["a"]), "input_names: there are 1 names for 2 inputs"),
    (record(input_names=["a", "a"]), "the name 'a' is taken"),
    (record(input_names=["a b", "c"]), 'input_names[0]: "a b" cannot stand here: a name starts with a letter'),
    (record(version=9), "version: 9 cannot stand here: this version reads format 1"),
]  # fmt: skip


@pytest.mark.parametrize("content, message", WRONG, ids=[m for _, m in WRONG])
def test_what_is_wrong_is_named_with_its_place(content, message):
    with pytest.raises(ModelError) as caught:
        network_from(content, "net.json")
    text = str(caught.value)
    assert message in text and text.startswith("'net.json': ") and "\n" not in text and len(text) < 300


def softmax(targets, count=1):
    layer = {"weights": [[1, 2], [3, 4]], "activation": "softmax"}
    return record(inputs=[[1, 2]] * count, targets=targets, layers=[layer], loss="cross-entropy")


@pytest.mark.parametrize(
    "content, message",
    [
        (softmax([2]), "targets[0]: there is no class 2: the 2 outputs count from 0"),
        (softmax([-1, 0], 2), "targets[0]: there is no class -1"),
        (softmax([[0.5, 0.6]]), "targets: with cross-entropy the targets of a row are probabilities that sum to 1"),
        (softmax([[1.5, -0.5]]), "probabilities"),
    ],
)
def test_classes_and_probabilities_are_checked(content, message):
    with pytest.raises(ModelError, match=re.escape(message)):
        network_from(content, "net.json")


def test_weights_need_names_of_their_own():
    weights = [[{"name": "w2", "value": 1}, 2]]
    with pytest.raises(ModelError, match=r"weights\[0\]\[1\]: the name 'w2' is taken by layers\[0\].weights\[0\]\[0\]"):
        network_from(record(layers=[{"weights": weights, "activation": "tanh"}]), "net.json")


FILES = {
    "no JSON": (b'{"inputs": [1,}', "is no JSON: line 1, column 15"),
    "empty": (b"", "is no JSON: line 1, column 1"),
    "not UTF-8": (b'{"name": "\xff\xfe"}', "is not UTF-8 text (byte 10)"),
    "binary": (bytes(range(256)), "is not UTF-8 text (byte 128)"),
    "NaN": (b'{"inputs": [NaN]}', "NaN is not a number"),
    "infinite": (b'{"inputs": [-Infinity]}', "-Infinity is not a number"),
    "a key twice": (b'{"loss": 1, "loss": 2}', "the key 'loss' stands twice"),
    "deep": (b"[" * 200_000, "is nested too deeply"),
    "a number without end": (b'{"inputs": [' + b"9" * 10_000 + b"]}", "too"),
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_no_networks(tmp_path, name):
    content, message = FILES[name]
    file = tmp_path / "net.json"
    file.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        load(file)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ModelError, match="No such file"):
        load(tmp_path / "none.json")
    with pytest.raises(ModelError, match="cannot be read"):
        load(tmp_path)
    huge = tmp_path / "huge.json"
    with huge.open("wb") as file:
        file.truncate(LARGEST + 1)
    with pytest.raises(ModelError, match="larger than 20 MB"):
        load(huge)


def test_every_truncation_of_a_file_is_refused(tmp_path):
    text = json.dumps(record())
    file = tmp_path / "net.json"
    for end in range(len(text)):
        file.write_text(text[:end])
        with pytest.raises(ModelError):
            load(file)


def test_a_byte_order_mark_is_welcome(tmp_path):
    file = tmp_path / "net.json"
    file.write_text(json.dumps(record()), encoding="utf-8-sig")
    assert load(file).name == "net"


def test_the_schema_is_a_schema_and_the_built_in_networks_follow_it():
    import jsonschema

    jsonschema.Draft202012Validator.check_schema(schema())
    for name in BUILT_IN:
        jsonschema.validate(parsed(built_in_text(name), name), schema())


def test_calls_that_make_no_sense():
    for options, message in [
        ({"row": 1}, "there is no row 1: the data has one row, number 0"),
        ({"weight": "w9"}, "there is no weight 'w9'; there are w1, w2"),
        ({"rounds": -1}, "-1 rounds"),
        ({"update": "wrong"}, "there is no update 'wrong': choose simultaneous or sequential"),
    ]:
        with pytest.raises(ModelError, match=re.escape(message)):
            explain_network("mazur", **options)
    content = {k: v for k, v in record().items() if k != "learning_rate"}
    network = network_from(content, "net")
    assert "Update" not in str(explain_network(network))
    with pytest.raises(ModelError, match="needs a learning rate"):
        explain_network(network, rounds=3)
