"""HTML from templates; everything that comes from data is escaped."""

from __future__ import annotations

from functools import cache
from typing import Any

from retrograd.explain.layout import readable


@cache
def templates(package: str, folder: str = "templates", **filters: Any) -> Any:
    """The jinja2 environment of a package's folder. Templates mark what is HTML already as safe.

    Args:
        package: with its full name.
        folder: in it.
        filters: functions for its templates, by name.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader(package, folder)
    found = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    found.filters.update(filters)
    return found


def filled(template: str, **content: Any) -> str:
    """A template of `explain/templates` filled in."""
    return readable(templates("retrograd.explain").get_template(template).render(**content))
