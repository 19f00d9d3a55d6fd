"""Plots: what is drawn is what was recorded."""

import sys

import numpy as np
import pytest

import retrograd as rg
from examples import early_stopping
from retrograd import nn, plots
from retrograd.errors import RetrogradError, ShapeError
from retrograd.train import GradientHealth, History, Trainer

pytest.importorskip("matplotlib")


def bowl(w):
    return w[0] ** 2 + 10.0 * w[1] ** 2


def is_svg(plot):
    text = plot.svg()
    return text == plot.svg() and "<svg" in text and plot._repr_svg_() == text


@pytest.mark.system("11.3", home="L", figure="the two curves of 3.6 with the early stopping mark at 247")
def test_curves_are_the_history_s():
    history, _ = early_stopping.train(patience=200)
    plot = plots.curves(history)
    assert plot.data["loss"].tolist() == history["loss"] and plot.data["val_loss"].tolist() == history["val_loss"]
    assert plot.data["epoch"].tolist() == list(range(1, 448))
    lines = {line.get_label(): line for line in plot.figure.axes[0].lines}
    assert lines["training"].get_ydata().tolist() == history["loss"]
    assert "best: 247" in plot.svg() and is_svg(plot)


@pytest.mark.system("11.3", home="L", figure="descent on x^2 + 10 y^2 crosses the contours at right angles to 1e-6")
def test_the_path_crosses_contours_at_right_angles():
    way = plots.descent(bowl, [1.0, 1.0], lr=0.04, steps=12)
    plot = plots.surface(bowl, path=way["path"])
    np.testing.assert_array_equal(plot.data["gradient"], way["gradient"])
    np.testing.assert_allclose(plot.data["value"], plot.data["x"] ** 2 + 10 * plot.data["y"][:, None] ** 2, rtol=1e-12)
    moves = np.diff(plot.data["path"], axis=0)
    for at, move in zip(plot.data["path"], moves, strict=False):
        along = np.array([-20 * at[1], 2 * at[0]])  # of the contour through the point
        assert abs(move @ along) <= 1e-6 * np.linalg.norm(move) * np.linalg.norm(along)
    assert is_svg(plot)
    with pytest.raises(ShapeError, match=r"\(steps, 2\)"):
        plots.surface(bowl, path=np.zeros(3))


@pytest.mark.system("11.3", home="L", figure="each activation with its derivative, from the engine")
@pytest.mark.parametrize("f", [rg.sigmoid, rg.tanh, rg.relu, rg.softplus, nn.gelu, nn.gaussian])
def test_an_activation_and_its_derivative(f):
    plot = plots.activation(f, points=9)
    assert plot.data["derivative"].tolist() == [rg.grad(f)(x).item() for x in plot.data["x"]]
    assert f.__name__ in plot.svg()


@pytest.mark.system("11.3", home="L", figure="the error of a net in any two of its weights")
def test_the_surface_of_two_weights():
    model = nn.Sequential(nn.Linear(2, 3, dtype="float64"), nn.Tanh(), nn.Linear(3, 1, dtype="float64"))
    x, y = np.eye(2), np.ones((2, 1))
    before = model.state_dict()
    plot = plots.weight_surface(model, nn.mse_loss, x, y, (("0.weight", (0, 1)), ("2.bias", (0,))), points=5)
    assert plot.data["value"][2, 2] == pytest.approx(nn.mse_loss(model(x), y).item(), rel=1e-12)
    model[2].bias = model[2].bias + 1.0
    assert plot.data["value"][4, 2] == pytest.approx(nn.mse_loss(model(x), y).item(), rel=1e-12)
    assert np.array_equal(before["0.weight"], model.state_dict()["0.weight"])
    with pytest.raises(RetrogradError, match="no parameter 'w'"):
        plots.weight_surface(model, nn.mse_loss, x, y, (("w", (0,)), ("2.bias", (0,))))


def test_confusion_and_residuals():
    plot = plots.confusion(["a", "b", "b", "c"], ["a", "b", "c", "c"])
    assert plot.data["counts"].tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 1]] and is_svg(plot)
    many = plots.confusion(np.arange(40), np.arange(40))
    assert many.data["counts"].trace() == 40 and is_svg(many)
    plot = plots.residuals([1.0, 2.0, 4.0], [1.5, 2.0, 3.0])
    assert plot.data["residuals"].tolist() == [-0.5, 0, 1] and is_svg(plot)
    assert is_svg(plots.residuals([1.0], [1.0]))
    assert is_svg(plots.residuals([0.0, 1.0, 2.0, 3.0, 1e12], [0.0, 0.0, 0.0, 0.0, 0.0]))  # one row far away
    assert "$x" in plots.confusion(["$x", r"$\frac{"], ["$x", "$x"]).svg()  # no formulas
    for wrong in (plots.confusion, plots.residuals):
        with pytest.raises(ShapeError):
            wrong([1, 2], [1])


def test_gradient_health_by_epoch():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    watch = GradientHealth()
    trainer = Trainer(model, nn.mse_loss, rg.optim.SGD(model, lr=0.1), callbacks=[watch])
    x = np.random.RandomState(0).randn(16, 3).astype("float32")
    trainer.fit(x, x[:, :1], epochs=3, progress=False)
    plot = plots.gradient_health(watch.checkups)
    assert plot.data["epoch"].tolist() == [1, 2, 3]
    assert plot.data["0 Linear"].tolist() == [c.health.layers[0].gradient for c in watch.checkups]
    assert is_svg(plot)
    with pytest.raises(RetrogradError, match="no checkups"):
        plots.gradient_health([])


def test_files(tmp_path):
    plot = plots.activation(rg.tanh)
    for suffix, begin in ((".svg", b"<?xml"), (".png", b"\x89PNG"), (".pdf", b"%PDF")):
        plot.save(tmp_path / f"tanh{suffix}")
        assert (tmp_path / f"tanh{suffix}").read_bytes().startswith(begin)
    with pytest.raises(RetrogradError, match="tanh.xyz"):
        plot.save(tmp_path / "tanh.xyz")
    assert repr(plot) == "Plot(x (401,), value (401,), derivative (401,))"


def test_a_history_without_the_quantity():
    with pytest.raises(RetrogradError, match="no 'accuracy', but nothing yet"):
        plots.curves(History(), "accuracy")


def test_without_matplotlib_the_install_line_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(RetrogradError, match=r"pip install 'retrograd\[plot\]'"):
        plots.activation(rg.tanh)
