r"""Names, numbers, arrays and plain text in LaTeX.

Whatever a user may have chosen (names, above all) goes through `name` or `text`: outside ``\text{...}`` only letters,
digits and what this package writes itself can stand.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from retrograd.explain.numerals import FULL_MATRIX, FULL_ROW, array_text, number

GREEK = frozenset(
    {
        "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu",
        "xi", "pi", "rho", "sigma", "tau", "phi", "chi", "psi", "omega", "Gamma", "Delta", "Theta", "Lambda", "Xi",
        "Pi", "Sigma", "Phi", "Psi", "Omega",
    }
)  # fmt: skip
ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip
_PLAIN = re.compile(r"([A-Za-z]+)(\d*)((?:_[A-Za-z0-9]+)*)")


def escaped(words: str) -> str:
    """Plain text as it stands in LaTeX."""
    return "".join(ESCAPES.get(c, c if c.isprintable() else " ") for c in words)


def text(words: str) -> str:
    """Plain text inside a formula."""
    return rf"\text{{{escaped(words)}}}"


def name(words: str) -> str:
    r"""A name: ``w`` as it is, ``net_h1`` with an index, ``alpha`` in Greek; one that is no plain name as text.

    >>> print(name("net_h1"), name("t4"), name("alpha"), name("p['a']"))
    \mathit{net}_{h1} t_{4} \alpha \text{p['a']}
    """
    found = _PLAIN.fullmatch(words)
    if found is None:
        return text(words)
    base, digits, rest = found.groups()
    parts = [*([digits] if digits else []), *rest.split("_")[1:]]
    index = ",".join(_index(p) for p in parts)
    return f"{_word(base)}_{{{index}}}" if index else _word(base)


def _word(letters: str) -> str:
    if letters in GREEK:
        return f"\\{letters}"
    return letters if len(letters) == 1 else rf"\mathit{{{letters}}}"


def _index(part: str) -> str:
    return part if len(part) <= 2 or part.isdigit() else rf"\mathit{{{part}}}"


def figure(x: Any, digits: int = 6) -> str:
    r"""A number: no needless digits, exponents as powers of ten.

    >>> print(figure(0.5), figure(-1.25e-7))
    0.5 -1.25 \times 10^{-7}
    """
    written = number(np.asarray(x)[()], digits)
    if "e" in written:
        mantissa, exponent = written.split("e")
        return rf"{mantissa} \times 10^{{{exponent}}}"
    return {"inf": r"\infty", "-inf": r"-\infty", "nan": r"\mathrm{NaN}"}.get(written, written)


def array(values: np.ndarray, digits: int = 6) -> str:
    """An array: whole if it is small, else its type, range and mean in words."""
    if values.ndim == 0:
        return figure(values, digits)
    if not values.size or values.dtype.kind == "b":
        return text(array_text(values, digits))
    if values.ndim == 1 and values.size <= FULL_ROW:
        return rf"\left[{', '.join(figure(x, digits) for x in values)}\right]"
    if values.ndim == 2 and values.size <= 2 * FULL_MATRIX:
        rows = r" \\ ".join(" & ".join(figure(x, digits) for x in row) for row in values)
        return rf"\begin{{bmatrix}} {rows} \end{{bmatrix}}"
    return text(array_text(values, digits))
