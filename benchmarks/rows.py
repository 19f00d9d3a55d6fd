"""Every row, and the module that has it."""

import importlib

from benchmarks.contest import Row

MODULES = {
    "mlp_step": "mlp_step",
    "chain": "chain",
    **dict.fromkeys(
        ("tiny", "small_iris", "small_deep", "digits", "mnist", "wide", "large", "call", "forward"), "training"
    ),
    "many": "many",
    "gemm": "gemm",
    "gemm_thin": "gemm",
    "rosenbrock": "derivatives",
    "hessian": "derivatives",
    "gmm": "gmm",
    "black_scholes": "finance",
    "black_scholes_f32": "finance",
    "asian": "finance",
}


def find(name: str) -> Row:
    """The row of that name."""
    return importlib.import_module(f"benchmarks.{MODULES[name]}").ROWS[name]
