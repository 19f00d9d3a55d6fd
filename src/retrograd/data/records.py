"""Encoders and targets as plain records for JSON, and back; what comes back is checked field by field."""

import math
from dataclasses import fields
from typing import Any, get_args

from retrograd.data.date_encoder import PARTS, Dates
from retrograd.data.encoders import Boolean, Categorical, Dropped, Encoder, Numeric
from retrograd.data.kinds import Reason
from retrograd.data.numbers import WRITING
from retrograd.data.target import Amounts, Classes
from retrograd.errors import ModelError

_ENCODERS: dict[str, type[Encoder]] = {kind.kind: kind for kind in (Numeric, Boolean, Categorical, Dates, Dropped)}
_TARGETS: dict[str, type[Classes | Amounts]] = {"classes": Classes, "amounts": Amounts}
_SWITCHES = {"missing", "pool", "clock", "zoned", "day_first"}
_KINDS = {kind: name for name, kind in (*_ENCODERS.items(), *_TARGETS.items())}


def record(encoding: Encoder | Classes | Amounts) -> dict[str, Any]:
    """`{"kind": ..., "name": ..., ...}`: every field, tuples as lists."""
    values = {field.name: getattr(encoding, field.name) for field in fields(encoding)}  # type: ignore[arg-type]
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
    return {"kind": _KINDS[type(encoding)], **plain}


def encoder_from(saved: object) -> Encoder:
    """The encoder of a record.

    Raises:
        ModelError: it is no record of one.
    """
    return _from(saved, _ENCODERS)


def target_from(saved: object) -> Classes | Amounts:
    """The target's encoding of a record.

    Raises:
        ModelError: it is no record of one.
    """
    return _from(saved, _TARGETS)


def _from(saved: object, kinds: dict[str, type]) -> Any:
    """An encoding of one of `kinds` with the record's fields."""
    if not isinstance(saved, dict) or not isinstance(saved.get("kind"), str) or saved["kind"] not in kinds:
        raise _damaged(f"{_shown(saved)} is none of {', '.join(kinds)}")
    kind = kinds[saved["kind"]]
    names = {field.name for field in fields(kind)}
    if set(saved) != {"kind", *names}:
        raise _damaged(f"{_shown(saved)} has not the fields {', '.join(sorted(names))}")
    encoding = kind(**{name: _checked(name, saved[name], saved) for name in names})
    if isinstance(encoding, Categorical):
        levels = encoding.levels + encoding.others
        if len(set(levels)) < len(levels):
            raise _damaged(f"{_shown(saved)} lists a category twice")
    if isinstance(encoding, Dates) and encoding.clock and set(encoding.parts) - {PARTS[-1]}:
        raise _damaged(f"{_shown(saved)} has parts that a time of day has not")
    if isinstance(encoding, Encoder) and bool(encoding.input_names) == isinstance(encoding, Dropped):
        raise _damaged(f"{_shown(saved)} makes no input")
    return encoding


def _checked(name: str, value: object, saved: dict[str, Any]) -> object:
    """A field's value in the type that the encoding has for it."""
    if name == "name" and isinstance(value, str):
        return value
    if name in _SWITCHES and isinstance(value, bool):
        return value
    if name == "reason" and isinstance(value, str) and value in get_args(Reason):
        return value
    if name == "writing" and isinstance(value, str) and WRITING.fullmatch(value):
        return value
    if name == "parts" and isinstance(value, list) and value == [part for part in PARTS if part in value]:
        return tuple(value)
    if name in {"levels", "others"} and isinstance(value, list) and all(isinstance(level, str) for level in value):
        return tuple(value)
    if name == "labels" and isinstance(value, list) and len(value) > 1 and _are_labels(value):
        return tuple(value)
    if name in {"fill", "mean"} and isinstance(value, float) and math.isfinite(value):
        return value
    if name == "scale" and isinstance(value, float) and 0 <= value < math.inf and (value or saved["kind"] == "date"):
        return value
    raise _damaged(f"{name} of {_shown(saved)} is {_shown(value)}")


def _are_labels(values: list[object]) -> bool:
    """Whether these are different labels of one type."""
    types = {type(value) for value in values}
    return len(types) == 1 and types <= {str, bool, int, float} and len(set(values)) == len(values)


def _damaged(what: str) -> ModelError:
    return ModelError(f"the saved preprocessor is damaged: {what}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
