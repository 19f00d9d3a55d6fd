"""Networks in JSON files: read, checked, written."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from retrograd.errors import ModelError
from retrograd.explain.network.description import CROSS_ENTROPY, Layer, Network, Published

BUILT_IN = ("mazur", "3-2-2", "xor")
LARGEST = 20_000_000  # bytes of a file; a network to read about is far smaller


def listed() -> str:
    """The names of the built-in networks, for a sentence."""
    return f"{', '.join(BUILT_IN[:-1])} and {BUILT_IN[-1]}"


def built_in_text(name: str) -> str:
    """The JSON of a built-in network.

    Raises:
        ModelError: there is none of that name.
    """
    if name not in BUILT_IN:
        raise ModelError(f"there is no built-in network {name!r}: there are {listed()}")
    return (files("retrograd.explain.network") / f"{name}.json").read_text(encoding="utf-8")


def built_in(name: str) -> Network:
    """A built-in network."""
    return network_from(parsed(built_in_text(name), name), name)


def load(path: str | Path) -> Network:
    """The network that a JSON file describes.

    Raises:
        ModelError: the file cannot be read, is no JSON, or describes no network. One line: the place, and what to do.
    """
    file = Path(path)
    try:
        if file.stat().st_size > LARGEST:
            raise ModelError(f"{str(path)!r} is larger than {LARGEST // 1_000_000} MB: this is for small networks")
        content = file.read_bytes()
    except OSError as error:
        raise ModelError(f"{str(path)!r} cannot be read: {error.strerror or error}") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ModelError(f"{str(path)!r} is not UTF-8 text (byte {error.start}): save it as UTF-8") from error
    return network_from(parsed(text, str(path)), str(path))


class _Refused(ValueError):
    """JSON that Python would take and we do not."""


def parsed(text: str, source: str) -> Any:
    """The JSON in a text, without the liberties that Python takes with it.

    Raises:
        ModelError: where the text is no JSON, says a key twice, has NaN or Infinity in it, or half a letter.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            keys = [k for k, _ in pairs]
            twice = next(k for k in keys if keys.count(k) > 1)
            raise _Refused(f"the key {twice!r} stands twice in one object: keep one")
        return found

    def constant(name: str) -> None:
        raise _Refused(f"{name} is not a number that can be computed with")

    try:
        found = json.loads(text, object_pairs_hook=once, parse_constant=constant)
        if "\\ud" in text.lower():
            json.dumps(found, ensure_ascii=False).encode()
        return found
    except _Refused as error:
        raise ModelError(f"{source!r}: {error}") from error
    except json.JSONDecodeError as error:
        raise ModelError(f"{source!r} is no JSON: line {error.lineno}, column {error.colno}: {error.msg}") from error
    except RecursionError as error:
        raise ModelError(f"{source!r} is nested too deeply to be a network") from error
    except UnicodeEncodeError as error:
        raise ModelError(f"{source!r}: half of a surrogate pair (\\ud8..) in it stands for no letter") from error
    except ValueError as error:  # an integer of thousands of digits
        raise ModelError(f"{source!r}: a number in it is too long") from error


@cache
def schema() -> dict[str, Any]:
    """The JSON schema of network files."""
    text = (files("retrograd.explain.network") / "schema.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def check_schema(content: Any, source: str) -> None:
    """Refuse what the schema does not allow, naming the place and what to do.

    Raises:
        ModelError: at the first place that is wrong.
    """
    import jsonschema

    validator = jsonschema.Draft202012Validator(schema())
    errors = sorted(validator.iter_errors(content), key=lambda e: (-len(e.absolute_path), str(e.absolute_path)))
    if errors:
        error = errors[0]
        raise ModelError(f"{source!r}: {_path(error.absolute_path)}: {_said(error)}")


def _path(parts: Sequence[str | int]) -> str:
    text = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in parts).lstrip(".")
    return text or "the file"


def _said(error: Any) -> str:
    """What is wrong, and what to do."""
    shown = json.dumps(error.instance)
    shown = shown if len(shown) <= 40 else f"{shown[:36]} ..."
    hint = error.schema.get("hint") if isinstance(error.schema, dict) else None
    if error.validator == "required":
        missing = re.match(r"'(.*?)'", error.message)
        key = missing.group(1) if missing else "a key"
        advice = schema()["properties"].get(key, {}).get("description", "")
        return f"{key!r} is missing{f': {advice}' if advice else hint or ''}".rstrip(".")
    if error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        unknown = next(k for k in error.instance if k not in known)
        return f"there is no {unknown!r} here; the keys are {', '.join(known)}"
    if error.validator == "type" and error.schema.get("type") == "object":
        return f"{shown} is no object: it needs {{...}} with {', '.join(error.schema.get('required', ()))}"
    if error.validator == "minItems":
        return f"the list is empty{f': {hint}' if hint else ''}"
    if error.validator == "not":
        return "both 'bias' and 'biases' are given: \"bias\" is one that the neurons share, \"biases\" one each"
    return f"{shown} cannot stand here{f': {hint}' if hint else f': {error.message[:80]}'}"


class _Reader:
    """Makes a network of JSON that follows the schema; what a schema cannot say is checked here."""

    def __init__(self, content: dict[str, Any], source: str) -> None:
        self.content, self.source = content, source
        self.names: dict[str, str] = {}  # name -> the place that took it
        self.counted = 0

    def fail(self, where: str, what: str) -> ModelError:
        return ModelError(f"{self.source!r}: {where}: {what}")

    def number(self, value: Any, where: str) -> float:
        try:
            found = float(value)
        except OverflowError:
            found = math.inf
        if not math.isfinite(found):
            raise self.fail(where, "the number is too large")
        return found

    def take(self, name: str, where: str) -> str:
        if name in self.names:
            raise self.fail(where, f"the name {name!r} is taken by {self.names[name]}: every weight needs its own")
        self.names[name] = where
        return name

    def parameter(self, value: Any, where: str, default: str, train: bool) -> tuple[float, str, bool]:
        """(value, name, whether it is trained)."""
        if not isinstance(value, dict):
            return self.number(value, where), self.take(default, where), train
        name = self.take(value.get("name", default), where)
        return self.number(value["value"], where), name, value.get("train", train)

    def rows(self, key: str) -> list[Any]:
        """A list of rows; one flat list is one row."""
        found = self.content[key]
        kinds = {isinstance(row, list) for row in found}
        if len(kinds) > 1:
            raise self.fail(key, "rows and single numbers are mixed: write each row as a list")
        return found if True in kinds else [found]

    def matrix(self, key: str, width: int, what: str) -> np.ndarray:
        rows = self.rows(key)
        for i, row in enumerate(rows):
            if len(row) != width:
                raise self.fail(f"{key}[{i}]", f"the row has {len(row)} numbers, {what} has {width}")
        return np.array([[self.number(x, f"{key}[{i}]") for x in row] for i, row in enumerate(rows)])

    def network(self) -> Network:
        content = self.content
        rows = self.rows("inputs")
        names = tuple(content.get("input_names", [f"i{k + 1}" for k in range(len(rows[0]))]))
        if len(names) != len(rows[0]):
            raise self.fail("input_names", f"there are {len(names)} names for {len(rows[0])} inputs")
        for name in names:
            self.take(name, "input_names")
        inputs = self.matrix("inputs", len(names), "the first row")
        layers, width = [], len(names)
        for n, record in enumerate(content["layers"]):
            layers.append(self.layer(record, n, width))
            width = len(layers[-1].neurons)
        self.check_softmax(layers)
        return Network(
            name=content.get("name", Path(self.source).stem),
            about=content.get("about", ""),
            input_names=names,
            inputs=inputs,
            targets=self.targets(len(inputs), width),
            layers=tuple(layers),
            loss=content["loss"],
            learning_rate=content.get("learning_rate"),
            published=tuple(
                Published(p["figure"], p["rounds"], p["value"], p.get("update", ""), p.get("note", ""))
                for p in content.get("published", ())
            ),
        )

    def layer(self, record: dict[str, Any], n: int, width: int) -> Layer:
        where = f"layers[{n}]"
        given = record["weights"]
        last = n == len(self.content["layers"]) - 1
        hidden = len(self.content["layers"]) - 1
        letter = "o" if last else "h" if hidden == 1 else f"h{n + 1}."
        neurons = tuple(record.get("neurons", [f"{letter}{k + 1}" for k in range(len(given))]))
        if len(neurons) != len(given):
            raise self.fail(f"{where}.neurons", f"there are {len(neurons)} names for {len(given)} rows of weights")
        for name in neurons:
            self.take(name, f"{where}.neurons")
        train = record.get("train", True)
        table: list[list[tuple[float, str, bool]]] = []
        for i, row in enumerate(given):
            if len(row) != width:
                before = "inputs" if n == 0 else f"neurons in layers[{n - 1}]"
                raise self.fail(f"{where}.weights[{i}]", f"the row has {len(row)} weights for {width} {before}")
            table.append([])
            for j, value in enumerate(row):
                self.counted += 1
                table[-1].append(self.parameter(value, f"{where}.weights[{i}][{j}]", f"w{self.counted}", train))
        biases, bias_names, bias_train = self.biases(record, n, len(neurons), train)
        return Layer(
            neurons,
            np.array([[v for v, _, _ in row] for row in table]),
            tuple(tuple(name for _, name, _ in row) for row in table),
            np.array([[t for _, _, t in row] for row in table]),
            biases,
            bias_names,
            bias_train,
            "logistic" if record["activation"] == "sigmoid" else record["activation"],
        )

    def biases(
        self, record: dict[str, Any], n: int, count: int, train: bool
    ) -> tuple[np.ndarray | None, tuple[str, ...], np.ndarray]:
        where = f"layers[{n}]"
        if "bias" in record:
            value, name, train = self.parameter(record["bias"], f"{where}.bias", f"b{n + 1}", train)
            return np.array(value), (name,), np.array(train)
        if "biases" not in record:
            return None, (), np.zeros(0, bool)
        given = record["biases"]
        if len(given) != count:
            raise self.fail(f"{where}.biases", f"there are {len(given)} biases for {count} neurons")
        single = len(self.content["layers"]) == 1
        found = [
            self.parameter(v, f"{where}.biases[{i}]", f"b{i + 1}" if single else f"b{n + 1}.{i + 1}", train)
            for i, v in enumerate(given)
        ]
        return (
            np.array([v for v, _, _ in found]),
            tuple(name for _, name, _ in found),
            np.array([t for _, _, t in found]),
        )

    def check_softmax(self, layers: Sequence[Layer]) -> None:
        crossed = self.content["loss"] == CROSS_ENTROPY
        for n, layer in enumerate(layers):
            last = n == len(layers) - 1
            if layer.activation == "softmax" and not (last and crossed):
                raise self.fail(f"layers[{n}].activation", "softmax is for the last layer, with the loss cross-entropy")
            if last and crossed and layer.activation != "softmax":
                raise self.fail(f"layers[{n}].activation", "cross-entropy needs softmax in the last layer")

    def targets(self, count: int, width: int) -> np.ndarray:
        given = self.content["targets"]
        labels = self.content["loss"] == CROSS_ENTROPY and all(type(x) is int for x in given) and len(given) == count
        if labels and not (count == 1 and len(given) == width):
            for i, label in enumerate(given):
                if not 0 <= label < width:
                    raise self.fail(f"targets[{i}]", f"there is no class {label}: the {width} outputs count from 0")
            return np.eye(width)[given]
        found = self.matrix("targets", width, "the last layer")
        if len(found) != count:
            raise self.fail("targets", f"there are {len(found)} rows for {count} rows of inputs")
        if self.content["loss"] == CROSS_ENTROPY and (np.any(found < 0) or np.any(np.abs(found.sum(1) - 1) > 1e-9)):
            raise self.fail("targets", "with cross-entropy the targets of a row are probabilities that sum to 1")
        return found


def network_from(content: Any, source: str) -> Network:
    """The network that parsed JSON describes.

    Raises:
        ModelError: it describes none; one line, with the place and what to do.
    """
    check_schema(content, source)
    return _Reader(content, source).network()
