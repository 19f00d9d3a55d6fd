"""The worked examples of SYSTEMS.md chapter 10: every figure, from the engine's record of the network."""

import json

import numpy as np
import pytest

from retrograd.cli import main
from retrograd.explain.network import explain_network
from retrograd.explain.network.files import built_in, built_in_text, network_from

TABLE = {  # 10.1, convention A
    "net_h1": 0.3775, "net_h2": 0.3925, "out_h1": 0.593269992107187, "out_h2": 0.596884378259767,
    "net_o1": 1.10590596705977, "net_o2": 1.22492140409647, "out_o1": 0.751365069552316, "out_o2": 0.772928465321463,
    "E_o1": 0.274811083176155, "E_o2": 0.0235600255838477, "E": 0.298371108760003,
    "dE/dout_o1": 0.741365069552316, "dE/dout_o2": -0.217071534678537,
    "dout/dnet_o1": 0.186815601808959, "dout/dnet_o2": 0.175510052817271,
    "delta_o1": 0.138498561628557, "delta_o2": -0.0380982365165562,
    "dE/dw5": 0.0821670405642308, "dE/dw6": 0.0826676278475333,
    "dE/dw7": -0.0226025404774751, "dE/dw8": -0.0227402422159782,
    "dE_o1/dout_h1": 0.0553994246514228, "dE_o2/dout_h1": -0.0190491182582781,
    "dE_o1/dout_h2": 0.0623243527328506, "dE_o2/dout_h2": -0.0209540300841059,
    "dE/dout_h1": 0.0363503063931447, "dE/dout_h2": 0.0413703226487447,
    "dout/dnet_h1": 0.241300708572325, "dout/dnet_h2": 0.240613417249218,
    "delta_h1": 0.00877135468948694, "delta_h2": 0.0099542547052172,
    "dE/dw1": 0.000438567734474347, "dE/dw2": 0.000877135468948694,
    "dE/dw3": 0.00049771273526086, "dE/dw4": 0.00099542547052172,
    "new w1": 0.149780716132763, "new w2": 0.199561432265526, "new w3": 0.24975114363237, "new w4": 0.299502287264739,
    "new w5": 0.358916479717885, "new w6": 0.408666186076233, "new w7": 0.511301270238738, "new w8": 0.561370121107989,
    "dE/db1": 0.0187256093947041, "dE/db2": 0.100400325112001,
}  # fmt: skip
TOTALS = {  # (E, outputs) after 1 and 10000 rounds
    "A": ((0.291027773694, 0.7420881112, 0.7752849683), (3.510187783e-05, 0.01591362044, 0.9840642735)),
    "C": ((0.280471446791, 0.7284417622, 0.7783769203), (2.447562236e-06, 0.01158752739, 0.988458935)),
    "D": ((0.285750886699, 0.7320241671, 0.7659846534), (4.355321066e-06, 0.01210215912, 0.9879283897)),
}


def mazur(**changes):
    """The built-in network as JSON, each layer's record changed."""
    content = json.loads(built_in_text("mazur"))
    for n, layer in enumerate(content["layers"]):
        for key, value in changes.items():
            layer.pop("bias" if key == "biases" else "", None)
            layer[key] = value(n) if callable(value) else value
    return content


CONVENTIONS = {
    "A": mazur(),
    "C": mazur(biases=lambda n: [(0.35, 0.60)[n]] * 2),
    "D": mazur(bias=lambda n: (0.35, 0.60)[n]),
}


@pytest.mark.system("10.1", home="L", figure="every figure of the table to 1e-12")
def test_every_figure_of_the_table():
    figures = explain_network("mazur", rounds=0).figures()
    for name, value in TABLE.items():
        assert figures[name] == pytest.approx(value, rel=5e-15 / abs(value) + 1e-12, abs=0), name


@pytest.mark.system("10.1", home="L", figure="conventions A, C, D after 1 and 10000 rounds to 1e-9")
@pytest.mark.parametrize("convention", TOTALS)
def test_totals_of_gradient_descent(convention):
    network = network_from(CONVENTIONS[convention], convention)
    by_number = {r.number: r for r in explain_network(network, rounds=10000, check=False).rounds}
    for number, wanted in zip((1, 10000), TOTALS[convention], strict=True):
        found = by_number[number]
        assert [found.error, *found.outputs[0]] == pytest.approx(wanted, rel=1e-9)


@pytest.mark.system("10.1", home="L", figure="weights after 10000 rounds of A")
def test_weights_after_ten_thousand_rounds():
    from retrograd.explain.network.compute import trained

    first, _, second, _ = trained(built_in("mazur"), built_in("mazur").arrays(), 10000, "simultaneous")
    wanted = [0.378509988, 0.657019977, 0.477300706, 0.754601411, -3.8929772, -3.86841669, 2.86181095, 2.92568897]
    assert [*first.ravel(), *second.ravel()] == pytest.approx(wanted, rel=2e-9)


@pytest.mark.system("10.1", home="L", figure='update="sequential" gives the published totals to 9 decimals')
def test_the_deliberately_wrong_update_gives_the_published_totals():
    rounds = {r.number: r for r in explain_network("mazur", rounds=10000, update="sequential", check=False).rounds}
    assert f"{rounds[1].error:.9f}" == "0.291027924"
    assert [f"{x:.9f}" for x in rounds[10000].outputs[0]] == ["0.015912196", "0.984065734"]
    assert rounds[1].error == pytest.approx(0.291027923905, rel=1e-11)
    assert rounds[1].outputs[0] == pytest.approx([0.7420884385, 0.7752853846], rel=1e-9)
    assert rounds[10000].error == pytest.approx(3.50847863e-05, rel=1e-9)


def test_the_sequential_update_is_no_gradient_descent():
    """It differs in the hidden layer alone, whose gradients go through the new output weights."""
    from retrograd.explain.network.compute import trained

    network = built_in("mazur")
    right, wrong = (trained(network, network.arrays(), 1, u) for u in ("simultaneous", "sequential"))
    assert np.array_equal(right[2], wrong[2]) and not np.any(right[0] == wrong[0])


@pytest.mark.system("10.2", home="L", figure="E=0.298371108760003, the gradients of 10.1")
def test_mean_squared_error_of_two_outputs_is_the_half_sum():
    figures = explain_network(network_from({**mazur(), "loss": "mean squared error"}, "mse"), rounds=0).figures()
    half = explain_network("mazur", rounds=0).figures()
    assert figures["E"] == pytest.approx(0.298371108760003, rel=1e-14)
    for name in half:
        if name.startswith("dE/d"):
            assert figures[name] == pytest.approx(half[name], rel=1e-13), name


@pytest.mark.system("10.2", home="L", figure="for three outputs the losses differ by 2/3")
def test_mean_squared_error_of_three_outputs_is_two_thirds_of_the_half_sum():
    record = {
        "inputs": [0.5, -0.2], "targets": [0.1, 0.6, 0.9], "loss": "mean squared error",
        "layers": [
            {"weights": [[0.1, 0.2], [0.3, -0.4], [0.5, 0.6]], "biases": [0, 0.1, 0.2], "activation": "logistic"},
        ],
    }  # fmt: skip
    mean = explain_network(network_from(record, "mean")).figures()
    half = explain_network(network_from({**record, "loss": "half squared error"}, "half")).figures()
    for name in ("E", "dE/dw1", "dE/dw6", "dE/db3"):
        assert mean[name] == pytest.approx(half[name] * 2 / 3, rel=1e-14)


@pytest.mark.system("10.3", home="L", figure="every figure, E=0.592452097822 after one step")
def test_three_two_two():
    found = explain_network("3-2-2", rounds=1)
    figures = found.figures()
    wanted = {
        "net_h1": 4.3, "net_h2": 5.3, "net_o1": 2.08615903604, "net_o2": 1.38879378557,
        "out_h1": 0.986613082172, "out_h2": 0.99503319835, "out_o1": 0.88955061397, "out_o2": 0.800399608067,
        "E": 0.593244871904, "dE/dw7": 0.07653512841, "dE/dw9": 0.07718830713, "dE/dw8": 0.1182790221,
        "dE/dw10": 0.1192884585, "dE/dw1": 0.001983911872, "dE/dw3": 0.00793564749, "dE/dw5": 0.009919559362,
        "dE/dw2": 0.0004042893213, "dE/dw4": 0.001617157285, "dE/dw6": 0.002021446607, "dE/db1": 0.002388201194,
        "dE/db2": 0.1974574978, "new w7": 0.6992346487, "new w9": 0.8992281169, "new w1": 0.09998016088,
        "new w3": 0.2999206435, "new w5": 0.4999008044, "new b1": 0.499976118, "new b2": 0.498025425,
        "E after": 0.592452097822,
    }  # fmt: skip
    for name, value in wanted.items():
        assert figures[name] == pytest.approx(value, rel=5e-10), name  # ten digits are given
    assert found.rounds[-1].error == pytest.approx(0.592452097822, rel=1e-11)
    content = json.loads(built_in_text("3-2-2"))
    for layer in content["layers"]:
        layer["bias"]["train"] = False
    fixed = explain_network(network_from(content, "fixed")).rounds[-1]
    assert fixed.error == pytest.approx(0.592842609354, rel=1e-11)


def det(shape, s, p):
    return (s * np.sin(p + np.arange(1, np.prod(shape) + 1))).reshape(shape)


@pytest.mark.system("10.5", home="L", figure="C=0.137809149647, deltas, gradient norms")
def test_four_four_four_one():
    layers = [
        {"weights": det((4, 4), 0.8, 0).tolist(), "biases": det((4,), 0.2, 40).tolist(), "activation": "logistic"},
        {"weights": det((4, 4), 0.8, 16).tolist(), "biases": det((4,), 0.2, 44).tolist(), "activation": "logistic"},
        {"weights": det((1, 4), 0.8, 32).tolist(), "biases": det((1,), 0.2, 48).tolist(), "activation": "logistic"},
    ]
    record = {"inputs": [0.1, 0.2, 0.3, 0.4], "targets": [1], "layers": layers, "loss": "half squared error"}
    found = explain_network(network_from(record, "4-4-4-1"))
    figures, worked = found.figures(), found.worked
    outs = [[0.493193605, 0.542285426, 0.347027762, 0.564535734], [0.479755697, 0.465731218, 0.666228051, 0.330205267]]
    deltas = [
        [-0.00059441106, 0.00092482099, 0.0014512213, 0.00078535281],
        [-0.026138862, -0.013788473, 0.0099723914, 0.022974076],
    ]
    for n in (1, 2):
        assert [figures[f"out_h{n}.{k}"] for k in range(1, 5)] == pytest.approx(outs[n - 1], rel=1e-8)
        assert [figures[f"delta_h{n}.{k}"] for k in range(1, 5)] == pytest.approx(deltas[n - 1], rel=1e-7)
    assert (figures["out_o1"], figures["E"]) == pytest.approx((0.475006382, 0.137809149647), rel=1e-9)
    assert figures["delta_o1"] == pytest.approx(-0.13092045, rel=1e-7)
    norms = [np.linalg.norm(worked.gradients[i].array) for i in (0, 2, 4)]
    assert norms == pytest.approx([0.0010860167, 0.038278815, 0.13091825], rel=1e-7)


def test_the_command_shows_the_figures(capsys):
    assert main(["explain", "mazur", "--digits", "12"]) == 0
    text = capsys.readouterr().out
    for name in ("out_h1", "net_o1", "E_o1", "dE/dw5", "dE/dout_h1", "new w8"):
        assert f"{TABLE[name]:.12f}".rstrip("0") in text, name
    assert 'E after 1            0.291027924   here 0.291027773694  from update="sequential"' in text
