"""Gradients brought within bounds. That they are PyTorch's bounds is tested in tests/peers."""

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn, optim
from retrograd.errors import RetrogradError

RNG = np.random.default_rng(0)
TREE = {"a": RNG.normal(size=(3, 4)), "b": [RNG.normal(size=3), None]}
ways = pytest.mark.parametrize("way", [lambda f: f, rg.jit], ids=["eager", "jit"])


def norm_of(*arrays):
    return np.sqrt(sum((a**2).sum() for a in arrays))


@ways
def test_by_the_norm_of_the_whole_tree(way):
    norm = norm_of(TREE["a"], TREE["b"][0])
    assert way(optim.global_norm)(TREE).item() == pytest.approx(norm, rel=1e-14)
    clipped = way(lambda tree: optim.clip_by_global_norm(tree, 0.5))(TREE)
    assert clipped["b"][1] is None
    np.testing.assert_allclose(clipped["a"].numpy(), TREE["a"] * (0.5 / (norm + 1e-6)), rtol=1e-13)
    np.testing.assert_allclose(clipped["b"][0].numpy(), TREE["b"][0] * (0.5 / (norm + 1e-6)), rtol=1e-13)
    assert optim.global_norm(clipped).item() <= 0.5
    same = optim.clip_by_global_norm(TREE, 2 * norm)
    np.testing.assert_array_equal(same["a"].numpy(), TREE["a"])


@ways
def test_by_the_norm_of_each_model(way):
    clipped = way(lambda tree: optim.clip_by_global_norm(tree, 0.5, per_model=True))(TREE)
    for i in range(3):
        alone = optim.clip_by_global_norm({"a": TREE["a"][i], "b": TREE["b"][0][i]}, 0.5)
        np.testing.assert_allclose(clipped["a"][i].numpy(), alone["a"].numpy(), rtol=1e-14)
        np.testing.assert_allclose(clipped["b"][0][i].numpy(), alone["b"].numpy(), rtol=1e-14)
    assert optim.global_norm(TREE, per_model=True).shape == (3,)


def test_by_value():
    clipped = optim.clip_by_value(TREE, 0.5)
    np.testing.assert_array_equal(clipped["a"].numpy(), np.clip(TREE["a"], -0.5, 0.5))
    assert clipped["b"][1] is None


def test_widths_are_kept_and_a_norm_that_is_no_number_shows():
    assert optim.clip_by_global_norm(rg.ones(3), 0.5).dtype == np.float32
    assert optim.clip_by_value(rg.ones(3), 1).dtype == np.float32
    for bad in (np.nan, np.inf):
        assert np.isnan(optim.clip_by_global_norm(rg.tensor([1.0, bad]), 0.5).numpy()).any()


def test_clipping_differentiates():
    rg.check_grads(lambda x: rg.sum(optim.clip_by_global_norm([x, x * 2.0], 0.5)[0] ** 3), (TREE["a"],))


def gradients(model, x):
    model.zero_grad()
    rg.sum(model(x) ** 2).backward()
    return [p.grad.numpy() for p in model.parameters()]


@ways
def test_what_backward_has_left(way):
    model = nn.Linear(3, 2, dtype="float64")
    x = RNG.normal(size=(4, 3))
    before = gradients(model, x)
    norm = way(lambda: optim.clip_grad_norm_(model, 0.5))()
    assert norm.item() == pytest.approx(norm_of(*before), rel=1e-14)
    after = [p.grad.numpy() for p in model.parameters()]
    expected = optim.clip_by_global_norm(before, 0.5)
    for a, b in zip(after, expected, strict=True):
        np.testing.assert_allclose(a, b.numpy(), rtol=1e-13)
    gradients(model, x)
    way(lambda: optim.clip_grad_value_(model.parameters(), 0.1))()
    for a, b in zip(model.parameters(), before, strict=True):
        np.testing.assert_array_equal(a.grad.numpy(), np.clip(b, -0.1, 0.1))


def test_each_model_of_a_stack_by_its_own_norm():
    models = [nn.Linear(3, 2, dtype="float64") for _ in range(3)]
    many = nn.stack(models)
    x = RNG.normal(size=(4, 3))
    gradients(many, x)
    norms = optim.clip_grad_norm_(many, 4.0)
    for i, model in enumerate(models):
        gradients(model, x)
        assert optim.clip_grad_norm_(model, 4.0).item() == pytest.approx(norms[i].item(), rel=1e-13)
        for p, q in zip(many.parameters(), model.parameters(), strict=True):
            np.testing.assert_allclose(p.grad.numpy()[i], q.grad.numpy(), rtol=1e-12)
    gradients(models[0], x)
    with pytest.raises(RetrogradError, match="no common norm"):
        optim.clip_grad_norm_([*many.parameters(), *models[0].parameters()], 1.0)


def test_in_a_trainer():
    x, y = RNG.normal(size=(8, 3)) * 100, RNG.normal(size=(8, 2))

    def after(**options):
        model = nn.Linear(3, 2, dtype="float64", generator=rg.random.Generator(0))
        before = model.state_dict()
        optimizer = optim.SGD(model, lr=0.5)
        rg.train.Trainer(model, nn.mse_loss, optimizer, **options).fit(x, y, 1, batch_size=8, progress=False)
        return norm_of(*[after - before[name] for name, after in model.state_dict().items()])

    for engine in ("eager", "auto"):
        assert after(clip_norm=0.25, engine=engine) == pytest.approx(0.125, rel=1e-5)
    assert after() > 10


def test_what_makes_no_sense_is_refused():
    model = nn.Linear(3, 2)
    for make, message in (
        (lambda: optim.clip_by_global_norm(TREE, 0.0), "max_norm is above 0, not 0"),
        (lambda: optim.clip_by_value(TREE, -1), "clip_value is above 0, not -1"),
        (lambda: optim.clip_grad_norm_(model, 1.0), "no parameter has a gradient; call .backward"),
        (lambda: optim.global_norm([None]), "there are no gradients"),
    ):
        with pytest.raises(RetrogradError, match=message):
            make()
    assert optim.clip_by_global_norm([None], 1.0) == [None]
