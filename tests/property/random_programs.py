"""Random programs: pointwise functions, reductions, movements, indexing, products, over shapes with 0 and 1 in them.

A program is a list of steps, drawn by hypothesis; a namespace says what the steps mean. There is one for retrograd, one
for NumPy, and one for PyTorch in `tests/peers`.
"""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

import retrograd as rg

UNARY = (
    "sin",
    "cos",
    "tanh",
    "sigmoid",
    "softplus",
    "erf",
    "square",
    "negative",
    "absolute",
    "relu",
    "exp_tanh",
    "log_square",
)
BINARY = ("add", "subtract", "multiply", "maximum", "minimum", "divide_safely", "power_safely")
REDUCTIONS = ("sum", "mean", "max", "min", "logsumexp", "prod")
ALONG = ("cumsum", "cumprod", "roll_by_one")


@dataclass(frozen=True)
class Step:
    name: str
    operands: tuple[int, ...]
    params: tuple = ()


@dataclass(frozen=True)
class Program:
    """`shapes` of the inputs, `steps` that each add a value; the results are the values no step uses."""

    shapes: tuple[tuple[int, ...], ...]
    steps: tuple[Step, ...]
    seed: int
    dtype: str

    def inputs(self):
        rng = np.random.default_rng(self.seed)
        return [np.asarray(rng.normal(size=s), self.dtype) for s in self.shapes]

    def run(self, names, inputs):
        """Every value that no later step used."""
        values = list(inputs)
        for step in self.steps:
            values.append(names[step.name](*[values[i] for i in step.operands], *step.params))
        used = {i for step in self.steps for i in step.operands}
        return tuple(v for i, v in enumerate(values) if i not in used)


def broadcast(*shapes):
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return None


@st.composite
def programs(draw, steps=8):
    dims = st.integers(0, 3)
    count = draw(st.integers(1, 3))
    shapes = [tuple(draw(st.lists(dims, max_size=3))) for _ in range(count)]
    known, made = list(shapes), []
    for _ in range(draw(st.integers(1, steps))):
        step, shape = draw(one_step(known))
        if int(np.prod(shape)) > 200:
            continue
        made.append(step)
        known.append(shape)
    return Program(
        tuple(shapes), tuple(made), draw(st.integers(0, 2**16)), draw(st.sampled_from(["float64", "float32"]))
    )


@st.composite
def one_step(draw, known):
    """A step that fits the shapes so far, and the shape of its value."""
    kind = draw(
        st.sampled_from(["unary", "binary", "where", "reduce", "softmax", "along", "move", "index", "join", "matmul"])
    )
    i = draw(st.integers(0, len(known) - 1))
    shape = known[i]
    n = len(shape)
    if kind in {"binary", "where"}:
        fitting = [j for j, s in enumerate(known) if broadcast(shape, s) is not None]
        j = draw(st.sampled_from(fitting))
        both = broadcast(shape, known[j])
        if kind == "binary":
            return Step(draw(st.sampled_from(BINARY)), (i, j)), both
        third = draw(st.sampled_from([k for k, s in enumerate(known) if broadcast(both, s) is not None]))
        return Step("where_positive", (i, j, third)), broadcast(both, known[third])
    if kind == "reduce":
        axes = tuple(sorted(draw(st.sets(st.integers(0, n - 1))) if n else set()))
        keep = draw(st.booleans())
        name = draw(st.sampled_from(REDUCTIONS))
        if name != "sum" and (any(shape[a] == 0 for a in axes) or not axes):
            name = "sum"
        return Step(name, (i,), (axes, keep)), tuple(
            1 if a in axes else m for a, m in enumerate(shape) if keep or a not in axes
        )
    if kind == "softmax" and n and 0 not in shape:
        return Step("softmax", (i,), (draw(st.integers(-n, n - 1)),)), shape
    if kind == "along" and n:
        return Step(draw(st.sampled_from(ALONG)), (i,), (draw(st.integers(0, n - 1)),)), shape
    if kind == "move":
        return draw(movement(i, shape))
    if kind == "index" and n:
        return draw(indexing(i, shape))
    if kind == "join" and n:
        axis = draw(st.integers(0, n - 1))
        others = [
            j
            for j, s in enumerate(known)
            if len(s) == n and s[:axis] + s[axis + 1 :] == shape[:axis] + shape[axis + 1 :]
        ]
        j = draw(st.sampled_from(others))
        joined = (*shape[:axis], shape[axis] + known[j][axis], *shape[axis + 1 :])
        return Step("concatenate", (i, j), (axis,)), joined
    if kind == "matmul" and n >= 2:
        return Step("times_own_transpose", (i,)), (*shape[:-1], shape[-2])
    return Step(draw(st.sampled_from(UNARY)), (i,)), shape


@st.composite
def movement(draw, i, shape):
    n = len(shape)
    kind = draw(st.sampled_from(["transpose", "reshape", "expand", "broadcast", "flip", "pad", "ravel"]))
    if kind == "transpose":
        order = tuple(draw(st.permutations(range(n))))
        return Step("transpose", (i,), (order,)), tuple(shape[a] for a in order)
    if kind == "expand":
        axis = draw(st.integers(0, n))
        new = (*shape[:axis], 1, *shape[axis:])
        return Step("reshape", (i,), (new,)), new
    if kind == "broadcast":
        new = (draw(st.integers(0, 3)), *[draw(st.integers(0, 3)) if m == 1 else m for m in shape])
        return Step("broadcast_to", (i,), (new,)), new
    if kind == "flip" and n:
        axis = draw(st.integers(0, n - 1))
        return Step("flip", (i,), (axis,)), shape
    if kind == "pad" and n:
        widths = tuple((draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in shape)
        return Step("pad", (i,), (widths,)), tuple(m + a + b for m, (a, b) in zip(shape, widths, strict=True))
    size = int(np.prod(shape))
    new = (size,) if kind != "reshape" or size % 2 else (2, size // 2)
    return Step("reshape", (i,), (new,)), new


@st.composite
def indexing(draw, i, shape):
    """A key of slices, integers, None, `...` and at most one integer array or mask, as NumPy reads it."""
    key, arrays = [], 0
    for m in shape[: draw(st.integers(1, len(shape)))]:
        kind = draw(st.sampled_from(["slice", "slice", "int", "array", "none"]))
        if kind == "none":
            key.append(None)
            kind = "slice"
        if kind == "int" and m:
            key.append(draw(st.integers(-m, m - 1)))
        elif kind == "array" and m and not arrays:
            arrays = 1
            size = draw(st.lists(st.integers(0, 3), min_size=1, max_size=2))
            drawn = draw(st.lists(st.integers(-m, m - 1), min_size=int(np.prod(size)), max_size=int(np.prod(size))))
            key.append(np.array(drawn, np.int64).reshape(size))
        else:
            bounds = st.one_of(st.none(), st.integers(-m - 1, m + 1))
            key.append(slice(draw(bounds), draw(bounds), draw(st.sampled_from([None, 1, 2]))))
    if draw(st.booleans()):
        key.append(Ellipsis)
    key = tuple(key)
    new = np.zeros(shape)[key].shape
    return Step("getitem", (i,), (Key(key),)), new


@dataclass(frozen=True, eq=False)
class Key:
    """An index; arrays compare by identity here."""

    key: tuple


def of(module, **own):
    """The steps that a NumPy-like module means by itself, and its own for the others."""
    names = {n: getattr(module, n) for n in ("sin", "cos", "tanh", "square", "negative", "absolute", "add", "subtract",
                                              "multiply", "maximum", "minimum")}  # fmt: skip
    where, exp, log = module.where, module.exp, module.log
    names |= {
        "exp_tanh": lambda x: exp(module.tanh(x)), "log_square": lambda x: log(x * x + 0.5),
        "divide_safely": lambda x, y: x / (y * y + 0.5), "power_safely": lambda x, y: (x * x + 0.5) ** module.tanh(y),
        "where_positive": lambda c, x, y: where(c > 0, x, y), "getitem": lambda x, k: x[k.key],
    }  # fmt: skip
    return names | own


def numpy_erf(x):
    from scipy.special import erf

    return erf(x)


def numpy_softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


RETROGRAD = of(
    rg, sigmoid=rg.sigmoid, softplus=rg.softplus, erf=rg.erf, relu=rg.relu,
    sum=lambda x, a, k: rg.sum(x, axis=a, keepdims=k), mean=lambda x, a, k: rg.mean(x, axis=a, keepdims=k),
    max=lambda x, a, k: rg.max(x, axis=a, keepdims=k), min=lambda x, a, k: rg.min(x, axis=a, keepdims=k),
    logsumexp=lambda x, a, k: rg.logsumexp(x, axis=a, keepdims=k),
    prod=lambda x, a, k: rg.prod(x, axis=a, keepdims=k), cumsum=lambda x, a: rg.cumsum(x, axis=a),
    cumprod=lambda x, a: rg.cumprod(x, axis=a), roll_by_one=lambda x, a: rg.roll(x, 1, axis=a),
    softmax=lambda x, a: rg.softmax(x, axis=a), transpose=rg.transpose, reshape=rg.reshape,
    flip=lambda x, a: rg.flip(x, axis=a),
    broadcast_to=rg.broadcast_to, pad=rg.pad, concatenate=lambda x, y, a: rg.concatenate([x, y], axis=a),
    times_own_transpose=lambda x: x @ x.mT,
)  # fmt: skip
NUMPY = of(
    np, sigmoid=lambda x: 1 / (1 + np.exp(-x)), softplus=lambda x: np.logaddexp(x, np.zeros((), x.dtype)),
    erf=numpy_erf,
    relu=lambda x: np.maximum(x, 0), sum=lambda x, a, k: np.sum(x, axis=a, keepdims=k),
    mean=lambda x, a, k: np.mean(x, axis=a, keepdims=k), max=lambda x, a, k: np.max(x, axis=a, keepdims=k),
    min=lambda x, a, k: np.min(x, axis=a, keepdims=k),
    logsumexp=lambda x, a, k: np.log(np.sum(np.exp(x), axis=a, keepdims=k)), softmax=numpy_softmax,
    prod=lambda x, a, k: np.prod(x, axis=a, keepdims=k), cumsum=np.cumsum, cumprod=np.cumprod,
    roll_by_one=lambda x, a: np.roll(x, 1, a), transpose=np.transpose, reshape=np.reshape, flip=np.flip, broadcast_to=np.broadcast_to, pad=np.pad,
    concatenate=lambda x, y, a: np.concatenate([x, y], a), times_own_transpose=lambda x: x @ np.swapaxes(x, -1, -2),
)  # fmt: skip
