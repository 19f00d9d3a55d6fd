r"""MathML of our LaTeX, for HTML without scripts, by latex2mathml.

That library copies ``\text{...}`` and names as they are, without escaping. So they are taken out before, and put back,
escaped, afterwards; what is left is written by this package alone.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape

from retrograd.explain.latex.words import ESCAPES

_TAKEN_OUT = re.compile(r"\\(text|mathit|operatorname)\{((?:\\[A-Za-z]+\{\}|\\.|[^\\{}])*)\}")
_PUT_BACK = re.compile(r"<mtext>rgtext(\d+)x</mtext>")
_UNESCAPE = {written: c for c, written in ESCAPES.items()}
_ESCAPED = re.compile("|".join(re.escape(w) for w in sorted(_UNESCAPE, key=len, reverse=True)))


@lru_cache(maxsize=4096)
def mathml(latex: str, *, display: bool = False, large: bool = False) -> str:
    """The ``<math>`` element of a formula: in a line of text, on one of its own (`display`), or in a cell (`large`)."""
    from latex2mathml.converter import convert

    words: list[tuple[str, str]] = []

    def take(match: re.Match[str]) -> str:
        words.append((match[1], _ESCAPED.sub(lambda m: _UNESCAPE[m.group()], match[2])))
        return rf"\text{{rgtext{len(words) - 1}x}}"

    def put(match: re.Match[str]) -> str:
        kind, plain = words[int(match[1])]
        shown = escape(plain).replace(" ", "&#160;")
        if kind == "text":
            return f"<mtext>{shown}</mtext>"
        return f'<mi class="rg-name">{shown}</mi>' if kind == "mathit" else f"<mi>{shown}</mi>"

    latex = re.sub(r"\\(begin|end)\{aligned\}", r"\\\1{align*}", latex)  # the one name that the library knows
    written = convert(_TAKEN_OUT.sub(take, latex), display="block" if display else "inline")
    return _PUT_BACK.sub(put, written.replace("<math ", '<math displaystyle="true" ', 1) if large else written)
