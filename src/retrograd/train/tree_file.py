"""Trees of numbers, texts and arrays in one file: safetensors, with the tree as JSON in its header. No pickle.

Arrays are tensors of the file; where one stood, the JSON has ``{"$array": name}``. Floats that JSON lacks are
``{"$float": "nan"}``.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from retrograd.errors import ModelError, RetrogradError
from retrograd.train.files import write_whole

_KEY = "retrograd"
_FLOATS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def write_tree(path: Path, tree: dict[str, Any]) -> None:
    """Write a tree; the file is whole or not there."""
    from safetensors.numpy import save

    arrays: dict[str, np.ndarray] = {}
    header = json.dumps(_packed(tree, arrays, ""), allow_nan=False)
    write_whole(path, save(arrays, metadata={_KEY: header}))


def read_tree(path: Path, what: str = "checkpoint") -> dict[str, Any]:
    """The tree of a file; its arrays are fresh.

    Raises:
        ModelError: it cannot be read, or is damaged; one line.
    """
    from safetensors import SafetensorError, safe_open
    from safetensors.numpy import load

    try:
        content = path.read_bytes()
        arrays = load(content)
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {})[_KEY])
    except OSError as error:
        raise ModelError(f"{str(path)!r} cannot be read: {error.strerror or error}") from error
    except (SafetensorError, KeyError, ValueError, TypeError, RecursionError) as error:
        raise ModelError(f"{str(path)!r} is damaged, or no {what} of retrograd") from error
    try:
        tree = _unpacked(header, arrays)
    except (KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"{str(path)!r} is damaged, or no {what} of retrograd") from error
    if not isinstance(tree, dict):
        raise ModelError(f"{str(path)!r} is damaged, or no {what} of retrograd")
    return tree


def _packed(value: Any, arrays: dict[str, np.ndarray], path: str) -> Any:
    """The tree as JSON can hold it; its arrays are moved to `arrays`."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": repr(value)}
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        arrays[path] = np.ascontiguousarray(value).reshape(value.shape)  # ascontiguousarray makes 0-d arrays 1-d
        return {"$array": path}
    if isinstance(value, (list, tuple)):
        return [_packed(inner, arrays, f"{path}/{place}") for place, inner in enumerate(value)]
    if isinstance(value, dict) and not any(not isinstance(key, str) or key.startswith("$") for key in value):
        return {key: _packed(inner, arrays, f"{path}/{key}" if path else key) for key, inner in value.items()}
    raise RetrogradError(
        f"{path} of a checkpoint is a {type(value).__name__}: it can hold numbers, texts, None, arrays, lists, and "
        "dicts whose keys are texts"
    )


def _unpacked(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, list):
        return [_unpacked(inner, arrays) for inner in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"$array"}:
        return np.array(arrays[value["$array"]])
    if set(value) == {"$float"}:
        return _FLOATS[value["$float"]]
    return {key: _unpacked(inner, arrays) for key, inner in value.items()}
