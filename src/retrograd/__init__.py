"""Backpropagation you can read, check and run at full speed.

>>> import retrograd as rg
>>> x = rg.tensor([0.05, 0.10], requires_grad=True)
>>> y = rg.sum(rg.tanh(x) ** 2)
>>> y.backward()
>>> x.grad
tensor([0.09966737, 0.19735585], dtype=float32)

Array functions have NumPy's names, layers and optimisers PyTorch's (``rg.nn``, ``rg.optim``), transforms JAX's.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from types import ModuleType
from typing import Any

from retrograd.config import default_dtype
from retrograd.jit.jitted import jit
from retrograd.ops import random
from retrograd.ops.arithmetic import (
    absolute,
    add,
    astype,
    clip,
    cos,
    divide,
    equal,
    erf,
    exp,
    expm1,
    greater,
    greater_equal,
    isfinite,
    isinf,
    isnan,
    less,
    less_equal,
    log,
    log1p,
    logical_and,
    logical_not,
    logical_or,
    maximum,
    minimum,
    multiply,
    negative,
    not_equal,
    positive,
    power,
    reciprocal,
    relu,
    rsqrt,
    sigmoid,
    sign,
    sin,
    softplus,
    sqrt,
    square,
    stop_gradient,
    subtract,
    tanh,
    where,
)  # fmt: skip
from retrograd.ops.cumulative import cumprod, cumsum, cumulative_prod, cumulative_sum
from retrograd.ops.indexing import take, take_along_axis
from retrograd.ops.linear_algebra import affine, dot, matmul, outer, vecdot
from retrograd.ops.reductions import (
    all,  # noqa: A004 - NumPy's name
    any,  # noqa: A004 - NumPy's name
    argmax,
    argmin,
    count_nonzero,
    log_softmax,
    logsumexp,
    max,  # noqa: A004 - NumPy's name
    mean,
    min,  # noqa: A004 - NumPy's name
    one_hot,
    prod,
    softmax,
    std,
    sum,  # noqa: A004 - NumPy's name
    var,
)  # fmt: skip
from retrograd.ops.rounding import (
    ceil,
    divmod,  # noqa: A004 - NumPy's name
    floor,
    floor_divide,
    fmod,
    remainder,
    round,  # noqa: A004 - NumPy's name
    trunc,
)  # fmt: skip
from retrograd.ops.shaping import (
    arange,
    broadcast_to,
    concat,
    concatenate,
    expand_dims,
    eye,
    flip,
    full,
    full_like,
    linspace,
    matrix_transpose,
    moveaxis,
    ones,
    ones_like,
    pad,
    permute_dims,
    ravel,
    reshape,
    roll,
    squeeze,
    stack,
    swapaxes,
    transpose,
    zeros,
    zeros_like,
)  # fmt: skip
from retrograd.ops.sorting import argsort, sort, top_k
from retrograd.primitives import catalogue as _catalogue  # noqa: F401 - it defines every primitive
from retrograd.tensor.parameter import Buffer, Parameter, Setting
from retrograd.tensor.tensor import Tensor, asarray, tensor
from retrograd.transforms.branches import cond
from retrograd.transforms.control_flow import fori_loop, scan, while_loop
from retrograd.transforms.custom import checkpoint, custom_vjp
from retrograd.transforms.custom_jvp import custom_jvp
from retrograd.transforms.debugging import debug
from retrograd.transforms.derivatives import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from retrograd.transforms.gradients import no_grad
from retrograd.transforms.implicit import fixed_point
from retrograd.transforms.linearize import linearize
from retrograd.transforms.piecewise import piecewise
from retrograd.transforms.trace_nan import trace_nan
from retrograd.transforms.vectorise import vmap

__version__ = "0.1.0"

# Infinities and NaN are values here, as IEEE says, and NumPy need not warn of those that our own modules compute. Its
# warnings elsewhere stay as they are; to switch them off around every operation would cost more than the operation.
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"retrograd\.")

_LAZY = {  # name -> module that has it; loaded at first use, so that `import retrograd` stays quick
    "nn": "retrograd.nn", "optim": "retrograd.optim", "train": "retrograd.train", "data": "retrograd.data",
    "learning": "retrograd.learning", "plots": "retrograd.plots", "report": "retrograd.report",
    "testing": "retrograd.testing",
    "errors": "retrograd.errors", "explain": "retrograd.explain", "check_grads": "retrograd.testing",
}  # fmt: skip
_FUNCTIONS = {"explain", "check_grads"}  # functions named so inside their module; the others are the modules

__all__ = [
    "Buffer", "Parameter", "Setting", "Tensor", "absolute", "add", "affine", "all", "any", "arange", "argmax", "argmin",
    "argsort", "asarray", "astype", "broadcast_to", "ceil", "check_grads", "checkpoint", "clip", "concat",
    "concatenate", "cond", "cos", "count_nonzero", "cumprod", "cumsum", "cumulative_prod", "cumulative_sum",
    "custom_jvp", "custom_vjp", "data", "debug", "default_dtype", "divide", "divmod", "dot", "equal", "erf", "errors",
    "exp", "expand_dims", "explain", "expm1", "eye", "fixed_point", "flip", "floor", "floor_divide", "fmod",
    "fori_loop", "full", "full_like", "grad", "greater", "greater_equal", "hessian", "hvp", "isfinite", "isinf",
    "isnan", "jacobian", "jit", "jvp", "learning", "less", "less_equal", "linearize", "linspace", "log", "log1p",
    "log_softmax", "logical_and", "logical_not", "logical_or", "logsumexp", "matmul", "matrix_transpose", "max",
    "maximum", "mean", "min", "minimum", "moveaxis", "multiply", "negative", "nn", "no_grad", "not_equal", "one_hot",
    "ones", "ones_like", "optim", "outer", "pad", "permute_dims", "piecewise", "plots", "positive", "power", "prod",
    "random", "ravel", "reciprocal", "relu", "remainder", "report", "reshape", "roll", "round", "rsqrt", "scan",
    "sigmoid", "sign", "sin", "softmax", "softplus", "sort", "sqrt", "square", "squeeze", "stack", "std",
    "stop_gradient", "subtract", "sum", "swapaxes", "take", "take_along_axis", "tanh", "tensor", "testing", "top_k",
    "trace_nan", "train", "transpose", "trunc", "value_and_grad", "var", "vecdot", "vjp", "vmap", "where", "while_loop",
    "zeros", "zeros_like",
]  # fmt: skip


class _Graph(ModuleType):
    """``rg.graph`` is the package of the graph language, and called it draws a program.

    A function of this name would hide the package from ``import retrograd.graph.ir as ir``.
    """

    def __call__(self, f: Any, *args: Any, **options: Any) -> Any:
        from retrograd.explain.diagram import graph as draw

        return draw(f, *args, **options)


sys.modules["retrograd.graph"].__class__ = _Graph


def __getattr__(name: str) -> Any:
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module 'retrograd' has no attribute {name!r}")
    loaded = importlib.import_module(module)
    found = getattr(loaded, name) if name in _FUNCTIONS else loaded
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
