"""PyTorch's names and arguments in terms of ours: name of an `op_db` entry -> function of its sample's arguments.

An adapter calls a public function of retrograd; it renames arguments and nothing more. What a sample asks for and we
do not have raises `Unsupported` with the reason, which `docs/op_db.md` lists.
"""

import numpy as np

import retrograd as rg
from retrograd import nn


class Unsupported(Exception):
    """A sample that asks for something retrograd does not have."""


DTYPES = {
    "float64": "float64", "float32": "float32", "int64": "int64", "int32": "int32", "int16": "int16", "int8": "int8",
    "uint8": "uint8", "bool": "bool",
}  # fmt: skip


def dtype_of(torch_dtype):
    name = str(torch_dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise Unsupported(f"dtype {name}")
    return np.dtype(DTYPES[name])


def given(**kwargs):
    """Refuse keywords that have no counterpart unless they say nothing."""
    for name, value in kwargs.items():
        if value not in (None, False):
            raise Unsupported(f"argument {name}")


def unary(f):
    return lambda x: f(x)


def binary(f):
    return lambda x, y: f(x, y)


def scaled(f):
    return lambda x, y, alpha=1: f(x, y if alpha == 1 else y * alpha)


def axes(dim):
    return tuple(dim) if isinstance(dim, (list, tuple)) else dim


def reduction(f):
    def reduce(x, dim=None, keepdim=False, *, dtype=None):
        x = x if dtype is None else rg.astype(x, dtype_of(dtype))
        return f(x, axis=None if dim in ((), []) else axes(dim), keepdims=keepdim)

    return reduce


def spread(f, both=False):
    def of(x, dim=None, unbiased=None, keepdim=False, *, correction=None):
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        default = 1 if unbiased in (None, True) else 0
        chosen = {"axis": None if dim in ((), []) else axes(dim), "keepdims": keepdim}
        found = f(x, correction=default if correction is None else correction, **chosen)
        return (found, rg.mean(x, **chosen)) if both else found

    return of


def with_place(value, place):
    def of(x, dim, keepdim=False):
        return value(x, axis=dim, keepdims=keepdim), place(x, axis=dim, keepdims=keepdim)

    return of


def aminmax(x, *, dim=None, keepdim=False):
    return rg.min(x, axis=dim, keepdims=keepdim), rg.max(x, axis=dim, keepdims=keepdim)


def clamp(x, min=None, max=None):
    return rg.clip(x, min, max)


def pad(x, widths, mode="constant", value=None):
    if mode != "constant":
        raise Unsupported(f"padding mode {mode}")
    pairs = [(0, 0)] * (len(x.shape) - len(widths) // 2) + list(zip(widths[-2::-2], widths[-1::-2], strict=True))
    if any(w < 0 for pair in pairs for w in pair):
        raise Unsupported("negative padding: slice instead")
    return rg.pad(x, pairs, constant_values=value or 0.0)


def sizes(first):
    return first[0] if len(first) == 1 and isinstance(first[0], (tuple, list)) else first


def expand(x, *size):
    size = sizes(size)
    missing = len(size) - len(x.shape)
    return rg.broadcast_to(x, [x.shape[i - missing] if n == -1 else n for i, n in enumerate(size)])


def flatten(x, start_dim=0, end_dim=-1):
    return nn.flatten(x, start_dim, end_dim)


def narrow(x, dim, start, length):
    start = int(start) % x.shape[dim] if int(start) < 0 else int(start)
    return rg.moveaxis(rg.moveaxis(x, dim, 0)[start : start + length], 0, dim)


def index_put(x, indices, values, accumulate=False):
    at = x.at[tuple(indices)]
    return at.add(values) if accumulate else at.set(values)


def index_add(x, dim, index, source, *, alpha=1):
    return x.at[(slice(None),) * (dim % max(len(x.shape), 1)) + (index,)].add(source * alpha if alpha != 1 else source)


def index_copy(x, dim, index, source):
    return x.at[(slice(None),) * (dim % max(len(x.shape), 1)) + (index,)].set(source)


def index_fill(x, dim, index, value):
    return x.at[(slice(None),) * (dim % max(len(x.shape), 1)) + (index,)].set(value)


def not_scalar(f):
    def of(x, dim, index, *rest, **kwargs):
        if not x.shape:
            raise Unsupported("an axis of a scalar: it has none")
        return f(x, dim, index, *rest, **kwargs)

    return of


def cross_entropy(x, target, *, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    probabilities = target.dtype.kind == "f"
    return nn.cross_entropy(
        x, target, weight, reduction=reduction, label_smoothing=label_smoothing,
        ignore_index=None if probabilities else ignore_index,
    )  # fmt: skip


def nll_loss(x, target, *, weight=None, ignore_index=-100, reduction="mean"):
    return nn.nll_loss(x, target, weight, ignore_index=ignore_index, reduction=reduction)


def loss(f):
    def of(x, target, *, reduction="mean", **kwargs):
        if x.shape != target.shape:
            raise Unsupported("prediction and target of different shapes: refused on purpose")
        return f(x, target, reduction=reduction, **kwargs)

    return of


def bce(x, target, *, weight=None, pos_weight=None, reduction="mean"):
    return nn.binary_cross_entropy_with_logits(x, target, weight, pos_weight=pos_weight, reduction=reduction)


def softplus(x, beta=1, threshold=20):
    if threshold != 20:
        raise Unsupported("argument threshold: ours does not overflow")
    return nn.softplus(x, float(beta))


def leaky_relu(x, negative_slope=0.01, inplace=False):
    return nn.leaky_relu(x, negative_slope)


def embedding(weight, index, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False):
    given(padding_idx=padding_idx, max_norm=max_norm, scale_grad_by_freq=scale_grad_by_freq)
    return nn.embedding(index, weight)


def dropout(x, p=0.5, training=True, inplace=False):
    if training and 0 < p < 1:
        raise Unsupported("random numbers differ")
    return nn.dropout(x, p, training)


def conversion(name):
    def convert(x, *args, **kwargs):
        return rg.astype(x, name)

    return convert


def to(x, *args, **kwargs):
    for value in (*args, *kwargs.values()):
        if str(value).startswith("torch.") and str(value).removeprefix("torch.").isalnum():
            return rg.astype(x, dtype_of(value))
    return rg.positive(x)


def created(f):
    def create(*args, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=None, **kwargs):
        wanted = {} if dtype is None else {"dtype": dtype_of(dtype)}
        with rg.default_dtype("float32"):
            return f(*args, **kwargs, **wanted)

    return create


def arange(*args, start=None, end=None, step=None, **kwargs):
    bounds = [v for v in (*args, start, end, step) if v is not None]
    return created(rg.arange)(*bounds, **kwargs)


def linspace(start, end, steps, **kwargs):
    return created(rg.linspace)(start, end, steps, **kwargs)


def place(f):
    return lambda x, dim=None, keepdim=False: f(x, axis=dim, keepdims=keepdim)


def rounded(x, *, decimals=0):
    return rg.round(x, decimals)


def argsort(x, dim=-1, descending=False, stable=False):
    return rg.argsort(x, axis=dim, descending=descending, stable=stable)


def sort(x, dim=-1, descending=False, *, stable=None):
    chosen = {"axis": dim, "descending": descending}
    return rg.sort(x, **chosen), rg.argsort(x, **chosen)


def topk(x, k, dim=-1, largest=True, sorted=True):
    return rg.top_k(x, k, axis=dim, largest=largest)


def cumulative(f):
    def of(x, dim, *, dtype=None):
        return f(x, axis=dim, dtype=None if dtype is None else dtype_of(dtype))

    return of


def roll(x, shifts, dims=()):
    return rg.roll(x, shifts, axis=None if dims == () else dims)


def squeeze(x, dim=None):
    if dim is None:
        return rg.squeeze(x)
    chosen = [d for d in ([dim] if isinstance(dim, int) else dim) if x.shape and x.shape[d] == 1]
    return rg.squeeze(x, tuple(chosen)) if chosen else rg.positive(x)  # PyTorch passes over longer axes, NumPy raises


def logsumexp(x, dim, keepdim=False):
    return rg.logsumexp(x, axis=axes(dim), keepdims=keepdim)


def softmax(f):
    def of(x, dim, dtype=None):
        if not x.shape:
            raise Unsupported("an axis of a scalar: it has none")
        return f(x if dtype is None else rg.astype(x, dtype_of(dtype)), axis=dim)

    return of


def one_hot(labels, num_classes=-1):
    if num_classes == -1:
        raise Unsupported("a number of classes that depends on values")
    return rg.astype(rg.one_hot(labels, num_classes), "int64")


def count_nonzero(x, dim=None):
    return rg.count_nonzero(x, axis=axes(dim))


def linear(x, weight, bias=None):
    if len(weight.shape) == 1:
        raise Unsupported("a weight of one axis: a layer has (out, in)")
    return nn.linear(x, weight, bias)


def mse(x, target, size_average=None, reduce=None, reduction="mean"):
    return loss(nn.mse_loss)(x, target, reduction=reduction)


def stacked(f):
    return lambda tensors, dim=0: f(tensors, axis=dim)


def take_along_dim(x, indices, dim=None):
    if dim is None:
        return rg.take_along_axis(rg.ravel(x), rg.ravel(indices))
    return rg.take_along_axis(x, indices, axis=dim)


def index_select(x, dim, index):
    if not x.shape:
        raise Unsupported("an axis of a scalar: it has none")
    return rg.take(x, index, axis=dim)


def layer_norm(x, normalized_shape, weight=None, bias=None, eps=1e-5):
    return nn.layer_norm(x, normalized_shape, weight, bias, eps)


ADAPTERS = {
    "abs": unary(rg.absolute), "neg": unary(rg.negative), "sign": unary(rg.sign), "sgn": unary(rg.sign),
    "sqrt": unary(rg.sqrt), "exp": unary(rg.exp), "expm1": unary(rg.expm1), "log": unary(rg.log),
    "log1p": unary(rg.log1p), "sin": unary(rg.sin), "cos": unary(rg.cos), "tanh": unary(rg.tanh),
    "sigmoid": unary(rg.sigmoid), "erf": unary(rg.erf), "square": unary(rg.square), "positive": unary(rg.positive),
    "isnan": unary(rg.isnan), "isinf": unary(rg.isinf), "isfinite": unary(rg.isfinite),
    "logical_not": unary(rg.logical_not), "clone": lambda x, **_: rg.positive(x),
    "nn.functional.relu": lambda x, **_: rg.relu(x), "nn.functional.softplus": softplus,
    "nn.functional.silu": lambda x, **_: nn.silu(x), "nn.functional.leaky_relu": leaky_relu,
    "nn.functional.gelu": lambda x, approximate="none": nn.gelu(x, approximate),
    "add": scaled(rg.add), "sub": scaled(rg.subtract),
    "rsub": lambda x, y, alpha=1: rg.subtract(y, x if alpha == 1 else x * alpha), "mul": binary(rg.multiply),
    "div.no_rounding_mode": lambda x, y, **_: rg.divide(x, y), "true_divide": binary(rg.divide),
    "div.floor_rounding": lambda x, y, **_: rg.floor_divide(x, y), "floor_divide": binary(rg.floor_divide),
    "div.trunc_rounding": lambda x, y, **_: rg.trunc(x / y), "remainder": binary(rg.remainder), "fmod": binary(rg.fmod),
    "__rmod__": lambda x, y: y % x, "frac": lambda x: x - rg.trunc(x), "floor": unary(rg.floor), "ceil": unary(rg.ceil),
    "trunc": unary(rg.trunc), "round": rounded, "round.decimals_0": rounded, "round.decimals_3": rounded,
    "round.decimals_neg_3": rounded, "reciprocal": unary(rg.reciprocal), "rsqrt": unary(rg.rsqrt),
    "pow": binary(rg.power), "float_power": binary(rg.power), "maximum": binary(rg.maximum),
    "minimum": binary(rg.minimum), "max.binary": binary(rg.maximum), "min.binary": binary(rg.minimum),
    "eq": binary(rg.equal), "ne": binary(rg.not_equal), "lt": binary(rg.less), "le": binary(rg.less_equal),
    "gt": binary(rg.greater), "ge": binary(rg.greater_equal), "logical_and": binary(rg.logical_and),
    "logical_or": binary(rg.logical_or), "__radd__": lambda x, y: y + x, "__rmul__": lambda x, y: y * x,
    "__rsub__": lambda x, y: y - x, "__rdiv__": lambda x, y: y / x, "__rpow__": lambda x, y: y**x,
    "__rmatmul__": lambda x, y: y @ x, "clamp": clamp, "clamp_min": lambda x, low: rg.clip(x, low),
    "clamp_max": lambda x, high: rg.clip(x, None, high), "where": lambda x, c, y: rg.where(c, x, y),
    "sum": reduction(rg.sum), "mean": reduction(rg.mean), "amax": reduction(rg.max),
    "max.reduction_no_dim": unary(rg.max), "max.reduction_with_dim": with_place(rg.max, rg.argmax),
    "amin": reduction(rg.min), "min.reduction_no_dim": unary(rg.min),
    "min.reduction_with_dim": with_place(rg.min, rg.argmin), "aminmax": aminmax, "argmax": place(rg.argmax),
    "argmin": place(rg.argmin), "any": reduction(rg.any), "all": reduction(rg.all),
    "prod": reduction(rg.prod), "cumsum": cumulative(rg.cumsum), "cumprod": cumulative(rg.cumprod), "sort": sort,
    "msort": lambda x: rg.sort(x, axis=0), "topk": topk, "roll": roll,
    "argsort": argsort, "var": spread(rg.var), "var.unbiased": spread(rg.var), "std": spread(rg.std),
    "std.unbiased": spread(rg.std), "var_mean": spread(rg.var, True), "var_mean.unbiased": spread(rg.var, True),
    "std_mean": spread(rg.std, True), "std_mean.unbiased": spread(rg.std, True), "count_nonzero": count_nonzero,
    "logsumexp": logsumexp, "softmax": softmax(rg.softmax), "softmax.with_dtype": softmax(rg.softmax),
    "log_softmax": softmax(rg.log_softmax), "log_softmax.with_dtype": softmax(rg.log_softmax),
    "broadcast_to": lambda x, shape: rg.broadcast_to(x, shape), "expand": expand, "expand_copy": expand,
    "expand_as": lambda x, y: rg.broadcast_to(x, y.shape),
    "reshape": lambda x, *shape: rg.reshape(x, sizes(shape)), "view": lambda x, *shape: rg.reshape(x, sizes(shape)),
    "view_copy": lambda x, *shape: rg.reshape(x, sizes(shape)),
    "reshape_as": lambda x, y: rg.reshape(x, y.shape), "view_as": lambda x, y: rg.reshape(x, y.shape),
    "ravel": unary(rg.ravel), "flatten": flatten, "transpose": rg.swapaxes, "transpose_copy": rg.swapaxes,
    "permute": lambda x, *dims: rg.permute_dims(x, sizes(dims)),
    "permute_copy": lambda x, *dims: rg.permute_dims(x, sizes(dims)), "movedim": rg.moveaxis, "squeeze": squeeze,
    "squeeze.multiple": squeeze, "squeeze_copy": squeeze, "unsqueeze": rg.expand_dims, "unsqueeze_copy": rg.expand_dims,
    "flip": lambda x, dims: rg.flip(x, axis=axes(dims)), "fliplr": lambda x: rg.flip(x, axis=1),
    "flipud": lambda x: rg.flip(x, axis=0), "cat": stacked(rg.concatenate), "stack": stacked(rg.stack),
    "T": lambda x: x.T, "mT": lambda x: x.mT, "t": lambda x: x.T, "t_copy": lambda x: x.T,
    "constant_pad_nd": lambda x, widths, value=0: pad(x, widths, value=value), "nn.functional.pad.constant": pad,
    "unbind": lambda x, dim=0: tuple(rg.moveaxis(x, dim, 0)),
    "unbind_copy": lambda x, dim=0: tuple(rg.moveaxis(x, dim, 0)),
    "narrow": narrow, "select": lambda x, dim, index: rg.moveaxis(x, dim, 0)[index],
    "__getitem__": lambda x, key: x[key], "take": lambda x, index: rg.take(x, index), "take_along_dim": take_along_dim,
    "index_select": index_select, "index_put": index_put, "index_add": not_scalar(index_add),
    "index_copy": not_scalar(index_copy), "index_fill": not_scalar(index_fill),
    "masked_select": lambda x, mask: masked(x, mask), "masked_fill": lambda x, mask, value: rg.where(mask, value, x),
    "matmul": binary(rg.matmul), "mm": binary(rg.matmul), "mv": binary(rg.matmul), "bmm": binary(rg.matmul),
    "dot": binary(rg.dot), "vdot": binary(rg.dot), "outer": binary(rg.outer),
    "linalg.vecdot": lambda x, y, dim=-1: rg.vecdot(x, y, axis=dim), "nn.functional.linear": linear,
    "arange": arange, "linspace": linspace, "eye": created(rg.eye),
    "ones": lambda *n, **kw: created(rg.ones)(sizes(n), **kw),
    "zeros": lambda *n, **kw: created(rg.zeros)(sizes(n), **kw), "full": created(rg.full),
    "ones_like": created(rg.ones_like), "zeros_like": created(rg.zeros_like), "full_like": created(rg.full_like),
    "nn.functional.one_hot": one_hot, "to": to,
    **{n: conversion(d) for n, d in {"double": "float64", "float": "float32", "int": "int32", "long": "int64",
        "short": "int16", "char": "int8", "byte": "uint8", "bool": "bool"}.items()},
    "nn.functional.cross_entropy": cross_entropy, "nn.functional.nll_loss": nll_loss, "nn.functional.mse_loss": mse,
    "nn.functional.l1_loss": loss(nn.l1_loss), "nn.functional.smooth_l1_loss": loss(nn.smooth_l1_loss),
    "nn.functional.huber_loss": loss(nn.huber_loss), "nn.functional.binary_cross_entropy_with_logits": bce,
    "nn.functional.layer_norm": layer_norm, "nn.functional.embedding": embedding, "nn.functional.dropout": dropout,
}  # fmt: skip


def masked(x, mask):
    shape = np.broadcast_shapes(x.shape, mask.shape)
    return rg.broadcast_to(x, shape)[rg.broadcast_to(mask, shape)]
