"""HTML from templates; everything that comes from data is escaped."""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("retrograd.explain", "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def filled(template: str, **content: Any) -> str:
    """A template of `explain/templates` filled in. Templates mark what is HTML already as safe; the rest is escaped."""
    return _environment().get_template(template).render(**content)
