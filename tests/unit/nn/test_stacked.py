"""`rg.nn.stack`: many models as one module."""

import copy
import pickle

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn, optim
from retrograd.errors import RetrogradError

N = 3
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(8, 4)), RNG.normal(size=(8, 2))
LABELS = RNG.integers(0, 2, 8)


class Running(nn.Module):
    """A buffer that a call assigns."""

    def __init__(self, seed):
        self.weight = rg.Parameter(np.random.default_rng(seed).normal(size=4))
        self.mean = rg.Buffer(np.zeros(4))

    def forward(self, x):
        if self.training:
            self.mean = self.mean * 0.5 + rg.mean(x * self.weight, axis=0)
        return x * self.weight + self.mean


class Tied(nn.Module):
    """One weight at two paths."""

    def __init__(self, seed):
        g = rg.random.Generator(seed)
        self.first = nn.Linear(4, 4, generator=g, dtype="float64")
        self.second = nn.Linear(4, 4, generator=g, dtype="float64")
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.second(rg.tanh(self.first(x)))


def network(seed, p=0.5):
    g = rg.random.Generator(seed)
    return nn.Sequential(
        nn.Linear(4, 5, generator=g, dtype="float64"),
        nn.Tanh(),
        nn.Dropout(p, generator=g),
        nn.LayerNorm(5, dtype="float64"),
        nn.Linear(5, 2, generator=g, dtype="float64"),
    )


def embedded(seed):
    g = rg.random.Generator(seed)
    return nn.Sequential(
        nn.Embedding(2, 3, generator=g, dtype="float64"), nn.Linear(3, 2, generator=g, dtype="float64")
    )


MAKERS = {"network": (network, X), "running": (Running, X), "tied": (Tied, X), "embedded": (embedded, LABELS)}
kinds = pytest.mark.parametrize("kind", MAKERS)
ways = pytest.mark.parametrize("way", [lambda f: f, rg.jit], ids=["eager", "jit"])


def assert_alike(many, models, tolerance=0.0):
    for got, expected in zip(many, models, strict=True):
        for cells in (nn.Module.state_dict, generators):
            a, b = cells(got), cells(expected)
            assert sorted(a) == sorted(b)
            for name in a:
                np.testing.assert_allclose(a[name], b[name], rtol=tolerance, atol=tolerance, err_msg=name)


def generators(model):
    found = (m.generator for m in model.modules() if isinstance(m, nn.Dropout))
    return {str(i): g.array for i, g in enumerate(found)}


@kinds
@ways
def test_a_stack_of_n_is_n_models(kind, way):
    """Outputs, gradients, steps, buffers and draws are those of models on their own.

    Bit for bit without `jit` where there is no matrix product: NumPy adds up a stack of products in another order.
    """
    make, x = MAKERS[kind]
    models = [make(seed) for seed in range(N)]
    many = nn.stack(models)
    assert len(many) == N
    assert_alike(many, models)
    tolerance = 0.0 if way is not rg.jit and kind == "running" else 1e-12
    optimizer = optim.SGD(many, lr=0.1, momentum=0.9)

    @way
    def step():
        optimizer.zero_grad()
        outputs = many(x)
        rg.sum(rg.vmap(lambda out: rg.mean(out**2))(outputs)).backward()
        optimizer.step()
        return outputs

    alone = [optim.SGD(model, lr=0.1, momentum=0.9) for model in models]
    for _ in range(3):
        outputs = step().numpy()
        for i, (model, single) in enumerate(zip(models, alone, strict=True)):
            single.zero_grad()
            out = model(x)
            rg.mean(out**2).backward()
            single.step()
            np.testing.assert_allclose(outputs[i], out.numpy(), rtol=tolerance, atol=tolerance)
            for p, q in zip(many.parameters(), model.parameters(), strict=True):
                np.testing.assert_allclose(p.grad[i].numpy(), q.grad.numpy(), rtol=tolerance, atol=tolerance)
    assert_alike(many, models, tolerance)


def test_inputs_of_each_model():
    models = [network(seed).eval() for seed in range(N)]
    many = nn.stack(models)
    xs = RNG.normal(size=(N, 8, 4))
    np.testing.assert_array_equal(many(xs, in_axes=0).numpy(), [m(x).numpy() for m, x in zip(models, xs, strict=True)])
    np.testing.assert_array_equal(many(X).numpy(), many(np.stack([X] * N), in_axes=(0,)).numpy())


def test_one_model_several_times_draws_from_one_generator():
    """A generator that all share stays one, so that their draws differ; copies have streams of their own, which agree."""
    model = network(0)
    many = nn.stack([model] * N)
    outputs = many(X).numpy()
    assert not np.array_equal(outputs[0], outputs[1])
    assert many[0][2].generator is model[2].generator
    replicas = nn.stack([copy.deepcopy(model) for _ in range(N)])
    outputs = replicas(X).numpy()
    np.testing.assert_array_equal(outputs[0], outputs[1])


def test_a_setting_is_stacked_as_a_weak_number():
    class Scaled(nn.Module):
        def __init__(self, factor):
            self.weight = rg.Parameter([1.0, 2.0], dtype="float32")
            self.factor = rg.Setting(factor)

        def forward(self, x):
            return x * self.weight * self.factor

    many = nn.stack([Scaled(2.0), Scaled(3.0)])
    out = many(np.ones(2, np.float32))
    assert out.dtype == np.float32
    assert out.tolist() == [[2.0, 4.0], [3.0, 6.0]]


def test_modes_are_those_of_all_models():
    many = nn.stack([network(seed) for seed in range(N)])
    assert not many.eval().training
    np.testing.assert_array_equal(many(X).numpy(), many(X).numpy())
    assert not many[1][2].training
    f = rg.jit(lambda: many(X))
    quiet = f().numpy()
    np.testing.assert_allclose(quiet, many(X).numpy(), rtol=1e-12)
    many.train()
    assert many[1][2].training
    assert not np.allclose(f().numpy(), quiet)


def test_models_that_are_taken_out_are_their_own():
    many = nn.stack([network(seed) for seed in range(N)])
    one = many[-1]
    before = many.state_dict()
    one[0].weight = one[0].weight * 0.0
    assert all(np.array_equal(before[name], value) for name, value in many.state_dict().items())
    for index in (N, -N - 1, 0.5):
        with pytest.raises(IndexError, match=f"no model {index} in a stack of 3"):
            many[index]


def test_values_by_path():
    models = [network(seed) for seed in range(N)]
    many = nn.stack(models).eval()
    state = many.state_dict()
    assert state["0.weight"].shape == (N, 5, 4)
    np.testing.assert_array_equal(state["0.weight"][2], models[2][0].weight.numpy())
    other = nn.stack([network(seed + 10) for seed in range(N)]).eval()
    other.load_state_dict(state)
    np.testing.assert_array_equal(other(X).numpy(), many(X).numpy())
    tree = other.parameters_tree()
    zero = {path: value * 0.0 for path, value in tree.items()}
    assert not nn.functional_call(many, zero, X).numpy().any()
    loss, grads = nn.value_and_grad(many, lambda: rg.sum(many(X) ** 2))()
    assert grads["4.bias"].shape == (N, 2)
    assert list(nn.stack([Tied(0), Tied(1)]).state_dict()) == list(Tied(0).state_dict())


def test_it_runs_under_vmap_and_in_a_loop():
    many = nn.stack([network(seed) for seed in range(N)]).eval()
    xs = RNG.normal(size=(2, 8, 4))
    np.testing.assert_allclose(rg.vmap(many)(xs).numpy(), [many(x).numpy() for x in xs], rtol=1e-12)
    many = nn.stack([Running(seed) for seed in range(N)])
    twin = copy.deepcopy(many)
    for _ in range(4):
        many(X)
    rg.jit(lambda: rg.fori_loop(0, 4, lambda i, out: twin(X), rg.zeros((N, 8, 4), dtype="float64")))()
    np.testing.assert_allclose(twin.state_dict()["mean"], many.state_dict()["mean"], rtol=1e-12)


def test_copies_and_files():
    many = nn.stack([network(seed) for seed in range(N)])
    for other in (copy.deepcopy(many), pickle.loads(pickle.dumps(many))):
        np.testing.assert_array_equal(other(X).numpy(), copy.deepcopy(many)(X).numpy())
        assert [type(p) for p in other.parameters()] == [type(p) for p in many.parameters()]
        next(other.parameters()).value = next(other.parameters()).value * 0.0
    assert many[0][0].weight.numpy().any()


class Plain(nn.Module):
    """Attributes of every kind."""

    def __init__(self, **attributes):
        self.weight = rg.Parameter([1.0])
        for name, value in attributes.items():
            setattr(self, name, value)


def frozen():
    model = Plain()
    model.weight.requires_grad = False
    return model


def untied():
    model = Tied(1)
    model.second.weight = rg.Parameter(model.first.weight.numpy())
    return model


@pytest.mark.parametrize(
    "models, message",
    [
        ([], "at least one model"),
        ([np.ones(2)], "part 0 is a ndarray, not a module"),
        ([nn.Tanh(), nn.Tanh()], "no parameters or buffers"),
        ([network(0), nn.Linear(1, 1)], "model 1 differs from model 0: the model is a Linear, the model of model 0"),
        ([network(0), network(1), network(2, 0.25)], r"model 2 differs from model 0: p of 2 is 0.25, in model 0 it is 0.5"),
        ([network(0), network(1).eval()], "training of the model is False"),
        ([nn.Linear(2, 3), nn.Linear(2, 4)], "out_features of the model is 4, in model 0 it is 3"),
        ([nn.Linear(2, 3), nn.Linear(2, 3, bias=False)], "bias of the model is None"),
        ([nn.Linear(2, 3), nn.Linear(2, 3, dtype="float64")], r"weight is a Parameter f64\[3,2\], in model 0 .* f32\[3,2\]"),
        ([nn.Sequential(nn.Tanh(), nn.Linear(1, 1)), nn.Sequential(nn.ReLU(), nn.Linear(1, 1))], "0 is a ReLU, 0 of"),
        ([Plain(), frozen()], "weight is frozen, and not so in model 0"),
        ([Tied(0), untied()], "second.weight is the same cell as second.weight, in model 0 as first.weight"),
        ([Plain(), Plain(size=2)], "the model has an attribute size"),
        ([Plain(sizes=[1, 2]), Plain(sizes=[1, 3])], r"sizes of the model is \[1, 3\]"),
        ([Plain(f=lambda x: x), Plain(f=lambda x: x + 1)], "f of the model is <function"),
        ([Plain(at=np.zeros(2)), Plain(at=np.ones(2))], "at of the model"),
        ([nn.stack([Plain()]), nn.stack([Plain()])], "a stack is not stacked again"),
    ],
)  # fmt: skip
def test_models_of_other_structure_are_not_stacked(models, message):
    with pytest.raises(RetrogradError, match=message):
        nn.stack(models)


def test_equal_attributes_of_every_kind_are_welcome():
    def make(seed):
        return Plain(f=lambda x: x * seed, sizes=[1, {"a": (2,)}], at=np.ones(2), dtype=np.dtype("float32"))

    nn.stack([make(1), make(1)])
    with pytest.raises(RetrogradError, match="f of the model"):
        nn.stack([make(1), make(2)])
