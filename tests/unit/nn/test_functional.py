"""Models as functions of their parameters."""

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn
from retrograd.errors import CellError, RetrogradError

X = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
Y = np.array([0, 1, 1, 0, 1, 0])


class Running(nn.Module):
    """A weight, and a running mean of what it made of the input."""

    def __init__(self):
        self.weight = nn.Parameter([2.0])
        self.mean = nn.Buffer([1.0])

    def forward(self, x):
        self.mean = self.mean * 0.5 + x * self.weight * 0.5
        return self.weight * x + self.mean


def network():
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def loss_of(model):
    return lambda x, y: nn.cross_entropy(model(x), y)


# functional_call ------------------------------------------------------------------------------------------------------


def test_the_model_runs_with_other_parameters_and_is_untouched():
    a, b = network(), network()
    before = a.state_dict()
    out = nn.functional_call(a, b.parameters_tree(), X)
    np.testing.assert_array_equal(out.numpy(), b(X).numpy())
    for name, value in a.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_missing_paths_keep_their_value_and_nested_dicts_are_read():
    a, b = network(), network()
    b.load_tree({n: v for n, v in a.parameters_tree().items() if n.startswith("0.")})
    tree = {"2": {"weight": b[2].weight.value, "bias": b[2].bias.numpy()}}
    np.testing.assert_array_equal(nn.functional_call(a, tree, X).numpy(), b(X).numpy())


def test_paths_shapes_and_dtypes_are_checked():
    with pytest.raises(RetrogradError, match=r"the Sequential has no 'weight'; it has 0\.weight, 0\.bias"):
        nn.functional_call(network(), {"weight": rg.zeros((4, 3))}, X)
    with pytest.raises(CellError, match=r"0\.bias holds f32\[4\], not f32\[3\]"):
        nn.functional_call(network(), {"0.bias": rg.zeros(3)}, X)
    with pytest.raises(CellError, match="astype"):
        nn.functional_call(network(), {"0.bias": np.zeros(4)}, X)


def test_it_differentiates_and_maps(check_gradient):
    with rg.default_dtype("float64"):
        wide = network()
    check_gradient(lambda w: nn.functional_call(wide, {"0.weight": w}, X.astype(float)), wide[0].weight.numpy())
    model = network()
    params = model.parameters_tree()
    models = [network() for _ in range(3)]
    many = rg.vmap(lambda p: nn.functional_call(model, p, X))(nn.stack(models).parameters_tree())
    for out, single in zip(many.numpy(), models, strict=True):
        np.testing.assert_allclose(out, single(X).numpy(), rtol=1e-5, atol=1e-6)
    slow = rg.jit(lambda p: nn.functional_call(model, p, X))(params)
    np.testing.assert_allclose(slow.numpy(), model(X).numpy(), rtol=1e-5, atol=1e-6)


def test_without_mutable_an_assignment_reaches_the_model():
    model = Running()
    nn.functional_call(model, {"weight": [4.0]}, rg.tensor([3.0]))
    assert model.mean.tolist() == [6.5]
    with pytest.raises(CellError, match=r"mean was assigned during a call .*mutable=True"):
        nn.functional_call(model, {"mean": [0.0]}, rg.tensor([3.0]))
    assert model.mean.tolist() == [6.5]


def test_with_mutable_the_model_is_untouched_and_the_state_comes_back():
    model = Running()
    out, state = nn.functional_call(model, {"weight": [4.0], "mean": [3.0]}, rg.tensor([3.0]), mutable=True)
    assert (out.tolist(), model.mean.tolist()) == ([19.5], [1.0])
    assert {name: v.tolist() for name, v in state.items()} == {"mean": [7.5]}
    _, state = nn.functional_call(model, state, rg.tensor([3.0]), mutable=True)
    assert state["mean"].tolist() == [6.75]
    _, state = nn.functional_call(network(), {}, X, mutable=True)
    assert state == {}


def test_mutable_state_goes_through_vmap_and_scan():
    model = Running()
    xs = rg.tensor([[1.0], [2.0], [3.0]])
    _, lanes = rg.vmap(lambda x: nn.functional_call(model, {}, x, mutable=True))(xs)
    assert lanes["mean"].tolist() == [[1.5], [2.5], [3.5]]

    def body(state, x):
        out, state = nn.functional_call(model, state, x, mutable=True)
        return state, out

    last, outs = rg.scan(body, {"mean": model.mean.value}, xs)
    assert outs.tolist() == [model(x).tolist() for x in xs]
    assert last["mean"].tolist() == model.mean.tolist()


def test_vmap_over_an_assignment_names_the_way_out():
    model = Running()
    with pytest.raises(CellError, match=r"functional_call\(\.\.\., mutable=True\)"):
        rg.vmap(lambda x: model(x))(rg.ones((2, 1)))


def test_generators_outside_of_the_model_move_on():
    model = nn.Sequential(nn.Dropout(0.5))
    a = nn.functional_call(model, {}, rg.ones(64), mutable=True)[0].numpy()
    b = nn.functional_call(model, {}, rg.ones(64), mutable=True)[0].numpy()
    assert (a != b).any()


# value_and_grad -------------------------------------------------------------------------------------------------------


def test_the_gradient_is_that_of_backward():
    model = network()
    loss, grads = nn.value_and_grad(model, loss_of(model))(X, Y)
    assert all(p.grad is None for p in model.parameters())
    eager = loss_of(model)(X, Y)
    eager.backward()
    assert loss.item() == eager.item()
    assert list(grads) == [n for n, _ in model.named_parameters()]
    for name, p in model.named_parameters():
        np.testing.assert_allclose(grads[name].numpy(), p.grad.numpy(), rtol=1e-6, err_msg=name)
    assert not loss.requires_grad
    assert not any(g.requires_grad for g in grads.values())


def test_aux_and_keyword_arguments():
    model = network()

    def loss_fn(x, *, y):
        scores = model(x)
        return nn.cross_entropy(scores, y), {"scores": scores, "note": "text"}

    (loss, aux), grads = nn.value_and_grad(model, loss_fn, has_aux=True)(X, y=Y)
    np.testing.assert_array_equal(aux["scores"].numpy(), model(X).numpy())
    assert aux["note"] == "text"
    assert loss.item() == pytest.approx(loss_of(model)(X, Y).item())
    assert grads["0.bias"].shape == (4,)


def test_frozen_parameters_are_constants():
    model = network()
    model[0].requires_grad_(False)
    _, grads = nn.value_and_grad(model, loss_of(model))(X, Y)
    assert list(grads) == ["2.weight", "2.bias"]
    model.requires_grad_(False)
    with pytest.raises(RetrogradError, match="the Sequential has no parameter that requires gradients"):
        nn.value_and_grad(model, loss_of(model))(X, Y)


def test_parameters_that_play_no_part_get_zeros():
    model = network()
    _, grads = nn.value_and_grad(model, lambda: rg.sum(model[2].bias * 3.0))()
    assert grads["2.bias"].tolist() == [3, 3]
    assert not grads["0.weight"].numpy().any()


def test_shared_parameters_come_once_with_the_whole_gradient():
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    model[1].weight = model[0].weight
    x = rg.ones((1, 2))
    _, grads = nn.value_and_grad(model, lambda: model(x).sum())()
    model(x).sum().backward()
    assert list(grads) == ["0.weight"]
    np.testing.assert_allclose(grads["0.weight"].numpy(), model[0].weight.grad.numpy(), rtol=1e-6)


def test_it_nests():
    """The gradient of the squared norm of a gradient is 2 H g."""
    model = nn.Linear(2, 1, bias=False, dtype="float64")
    model.weight = [[0.3, -0.2]]
    x = rg.tensor([[1.0, 2.0]], dtype="float64")

    def inner():
        return rg.sum(rg.tanh(model(x)) ** 2)

    def norm():
        return rg.sum(nn.value_and_grad(model, inner)()[1]["weight"] ** 2)

    value, grads = nn.value_and_grad(model, norm)()

    def by_hand(w):
        return rg.sum(rg.grad(lambda v: rg.sum(rg.tanh(x @ v.mT) ** 2))(w) ** 2)

    expected, gradient = rg.value_and_grad(by_hand)(model.weight.value)
    assert value.item() == pytest.approx(expected.item(), rel=1e-14)
    np.testing.assert_allclose(grads["weight"].numpy(), gradient.numpy(), rtol=1e-12)


def test_it_runs_under_jit_and_under_no_grad():
    model = network()
    f = nn.value_and_grad(model, loss_of(model))
    loss, grads = f(X, Y)
    with rg.no_grad():
        quiet = f(X, Y)
    for other in (rg.jit(lambda x, y: f(x, y))(X, Y), quiet):
        assert other[0].item() == pytest.approx(loss.item(), rel=1e-6)
        for name, g in grads.items():
            np.testing.assert_allclose(other[1][name].numpy(), g.numpy(), rtol=1e-5, atol=1e-6)


def test_buffers_are_assigned_as_in_an_ordinary_call():
    model = Running()
    loss, _ = nn.value_and_grad(model, lambda x: rg.sum(model(x)))(rg.tensor([3.0]))
    assert model.mean.tolist() == [3.5]
    assert loss.item() == 9.5
    with pytest.raises(CellError, match="weight was assigned during a call"):
        nn.value_and_grad(model, lambda: rg.sum(setattr(model, "weight", [3.0]) or model.weight))()
    assert model.weight.tolist() == [2.0]


def test_an_assignment_is_a_stop_gradient_here_too():
    model = Running()
    model(rg.tensor([3.0])).sum().backward()
    model.mean = [1.0]
    _, grads = nn.value_and_grad(model, lambda x: rg.sum(model(x)))(rg.tensor([3.0]))
    assert grads["weight"].tolist() == model.weight.grad.tolist()
