"""A page as one HTML file: template, style, script and trace, nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from retrograd.explain.templating import templates

SCRIPTS = ("numbers", "formula", "drawing", "curve", "tables", "live", "app", "main")  # in the order they stand
DECIMALS = (4, 6, 9, 12, 16)


@cache
def asset(name: str) -> str:
    """A file of this package."""
    return (files("retrograd.explain.page") / "assets" / name).read_text(encoding="utf-8")


@cache
def script() -> str:
    """All scripts as one, which sees no names but its own."""
    parts = "\n".join(asset(f"{name}.js") for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{parts}}})();\n'


def policy(*, live: bool) -> str:
    """What a browser may do with the page: run its one script, and talk to nobody but its own server."""

    def trusted(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    connect = "'self'" if live else "'none'"
    return (
        f"default-src 'none'; script-src {trusted(script())}; style-src {trusted(asset('page.css'))}; "
        f"connect-src {connect}; img-src data:; base-uri 'none'; form-action 'none'"
    )


def html(trace: dict[str, Any], *, token: str = "", play: str = "retrograd play NET") -> str:
    """The page of a trace.

    Args:
        trace: see `trace.trace`.
        token: what a live page shows its server with every request; without one the page is complete in itself.
        play: the command that makes it live.
    """
    text = json.dumps(trace, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    page: str = (
        templates("retrograd.explain.page", "assets")
        .get_template("page.html")
        .render(
            trace=trace,
            token=token,
            play=play,
            digits=sorted({*DECIMALS, trace["digits"]}),
            version=version("retrograd"),
            policy=policy(live=bool(token)),
            style=asset("page.css"),
            script=script(),
            data=text,
        )
    )
    return page
