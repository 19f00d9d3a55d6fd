"""What `jit` sees of its arguments: arrays, values, containers, static ones."""

import dataclasses
import enum
import warnings

import numpy as np
import pytest

import retrograd as rg
from retrograd.errors import RetrogradError
from retrograd.jit.jitted import RetraceWarning
from tests.semantics.ways import Counted, f32, same

# Arguments: arrays ----------------------------------------------------------------------------------------------------


def test_arrays_by_shape_and_dtype():
    f = Counted(lambda x: x * 2)
    assert f.traces((f32(2),), (f32(2) * 3,), (rg.tensor([5.0, 6.0]),)) == 1
    assert f.traces((f32(3),)) == 1
    assert f.traces((np.ones(2),)) == 1
    assert f.traces((np.ones(2, np.int32),)) == 1
    assert f.traces((f32(2),), (np.ones(2),)) == 0
    assert f.traces((f32(2, 1),), (f32(1, 2),)) == 2


def test_arrays_by_requires_grad():
    f = Counted(lambda x: x * 2)
    x = rg.tensor([1.0, 2.0], requires_grad=True)
    assert f.traces((f32(2),), (x,), (x,), (f32(2),)) == 2
    assert f(x).requires_grad
    assert not f(f32(2)).requires_grad


def test_arrays_by_weakness():
    f = Counted(lambda x: x * rg.tensor([1.0, 2.0]))
    assert f.traces((2.0,), (np.float64(2.0),), (rg.tensor(2.0),)) == 3
    assert f(2.0).dtype == np.float32
    assert f(np.float64(2.0)).dtype == np.float64


def test_python_floats_are_inputs():
    f = Counted(lambda x, lr: x * lr)
    assert f.traces(*((f32(2), lr / 10) for lr in range(10))) == 1
    same(f(f32(2), 0.5), 0.5 * f32(2))
    nan = f(f32(2), float("nan"))
    assert np.isnan(nan.numpy()).all()
    assert f.traces((f32(2), 1)) == 1


def test_numpy_scalars_are_inputs():
    f = Counted(lambda x, n: x * n)
    assert f.traces((f32(2), np.float32(2)), (f32(2), np.float32(3)), (f32(2), np.int64(3))) == 2


# Arguments: values ----------------------------------------------------------------------------------------------------


class Mode(enum.Enum):
    SUM = "sum"
    MEAN = "mean"


class Number(enum.IntEnum):
    ONE = 1
    TWO = 2


@dataclasses.dataclass(frozen=True)
class Options:
    scale: int
    mode: Mode = Mode.SUM
    names: tuple = ()


VALUES = [
    1, 2, True, False, None, "a", "b", b"a", Mode.SUM, Mode.MEAN, Number.ONE, Number.TWO, Options(1), Options(2),
    Options(1, Mode.MEAN), Options(1, names=("a",)), np.dtype("float32"), np.float32, float, (), ("a", 1), ("a", True),
    ("a", (1, None)), ..., Options,
]  # fmt: skip


def test_values_by_type_and_value():
    seen = []

    def f(x, option):
        seen.append(option)
        return x * 1

    g = rg.jit(f)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RetraceWarning)
        for option in VALUES + VALUES:
            g(f32(1), option)
    assert len(seen) == len(VALUES)
    assert [(type(a), a) for a in seen] == [(type(b), b) for b in VALUES]


def test_equal_frozen_dataclasses_share_a_program():
    f = Counted(lambda x, o: x * o.scale)
    assert f.traces((f32(1), Options(3)), (f32(1), Options(3)), (f32(1), Options(4))) == 2
    same(f(f32(1), Options(4)), np.full(1, 4, "f"))


class Plain:
    def __init__(self, k):
        self.k = k


@dataclasses.dataclass
class Mutable:
    k: int = 1


THINGS = [Plain(1), Mutable(), object(), {1, 2}, range(3), slice(1), lambda: 0, Options(object())]


@pytest.mark.parametrize("thing", THINGS, ids=lambda thing: type(thing).__name__)
def test_anything_else_raises_and_names_static(thing):
    f = rg.jit(lambda x, o: x * 1)
    with pytest.raises(RetrogradError, match=rf"argument 1 is a {type(thing).__name__}.*static="):
        f(f32(1), thing)


def test_static_arguments():
    f = Counted(lambda x, plain, n=2: x * plain.k * n, static=("plain", "n"))
    a, b = Plain(2), Plain(3)
    same(f(f32(1), a), np.full(1, 4, "f"))
    assert f.traces((f32(1), a), (f32(1), b), (f32(1), b, 3), (f32(1), a, 3)) == 3
    same(f(f32(1), plain=b, n=5), np.full(1, 15, "f"))
    with pytest.raises(RetrogradError, match="hashable"):
        f(f32(1), [1])
    with pytest.raises(RetrogradError, match=r"static=.*nothing"):
        rg.jit(lambda x: x, static="nothing")


def test_a_static_float_does_not_make_its_equals_static():
    f = Counted(lambda x, n: x * n, static="n")
    assert f.traces((1.5, 1.5), (2.5, 1.5), (1.5, 2.5)) == 2


def test_static_by_name_only():
    f = rg.jit(static="n")(lambda x, n: x * n)
    same(f(f32(1), 2), np.full(1, 2, "f"))


# Arguments: containers ------------------------------------------------------------------------------------------------


def test_containers_flatten():
    f = Counted(lambda tree: {"out": [tree["a"] * 2, tree["b"][0] + tree["b"][1]], "none": None})
    assert f.traces(({"a": f32(2), "b": (f32(3), 1.0)},), ({"a": f32(2) * 5, "b": (f32(3), 2.0)},)) == 1
    assert f.traces(({"a": f32(2), "b": [f32(3), 1.0]},)) == 1  # a list is not a tuple
    out = f({"a": f32(2), "b": (f32(3), 1.0)})
    assert set(out) == {"out", "none"}
    assert out["none"] is None
    same(out["out"][1], np.full(3, 2, "f"))


def test_containers_with_static_values_inside():
    f = Counted(lambda config, x: x * config["scale"] if config["mode"] == "on" else x)
    assert f.traces(({"mode": "on", "scale": 2.0}, f32(1)), ({"mode": "on", "scale": 3.0}, f32(1))) == 1
    assert f.traces(({"mode": "off", "scale": 3.0}, f32(1))) == 1


def test_positional_and_keyword_calls_give_the_same_result():
    f = rg.jit(lambda a, b=2.0, *, c=1.0: a * b + c)
    same(f(f32(1), 3.0), f(f32(1), b=3.0))
    same(f(f32(1), c=3.0), np.full(1, 5, "f"))


def test_dicts_in_another_order_give_the_right_result():
    f = rg.jit(lambda tree: tree["a"] - tree["b"])
    same(f({"a": f32(1), "b": 3 * f32(1)}), np.full(1, -2, "f"))
    same(f({"b": 3 * f32(1), "a": f32(1)}), np.full(1, -2, "f"))


def test_results_that_are_no_arrays():
    f = rg.jit(lambda x: (x, None, [], {"a": x * 2}, 3.0))
    a, none, empty, d, three = f(f32(1))
    assert none is None
    assert empty == []
    same(d["a"], 2 * f32(1))
    assert float(three) == 3.0
    with pytest.raises(RetrogradError, match="str"):
        rg.jit(lambda x: "text")(f32(1))


def test_parameters_modules_and_generators_as_arguments():
    p, q = rg.Parameter(f32(2)), rg.Parameter(f32(2) * 2)
    g, h = rg.random.Generator(1), rg.random.Generator(2)

    def step(p, generator):
        p.value = p * 2
        return rg.random.uniform((2,), generator=generator)

    f = Counted(step)
    assert f.traces((p, g), (p, g), (q, g), (p, h), (q, g)) == 3
    same(q.value.detach(), 8 * f32(2))
    again = rg.random.Generator(2)
    rg.random.uniform((2,), generator=again)
    same(rg.random.uniform((2,), generator=h), rg.random.uniform((2,), generator=again))
