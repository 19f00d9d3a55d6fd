"""What a report says, as a plain record: of a training, or of an evaluation and what the model says of its training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from retrograd.data import ColumnReport
from retrograd.data.date_encoder import Dates
from retrograd.errors import ModelError
from retrograd.train.architecture import describe
from retrograd.train.callbacks.gradient_health import Checkup
from retrograd.train.diagnostics.sensitivity import sensitivity
from retrograd.train.evaluation import Evaluation, Measures, measure
from retrograd.train.history import History
from retrograd.train.tabular import Outcome, versions
from retrograd.train.trained_model import TrainedModel

WORST = 10  # rows shown
INPUTS = 15  # inputs shown
LOOKED_AT, NUMBERS = 256, 2 * 10**7  # rows for the sensitivity, and the most numbers that their Jacobians may have
SETTINGS = (
    "hidden", "activation", "dropout", "optimizer", "lr", "schedule", "weight_decay", "batch_size", "epochs",
    "patience", "seed",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A row that was predicted badly.

    Attributes:
        number: its place in the table, counted from 1.
        actual: its label or amount.
        predicted: what the model says.
        figure: the probability of the actual class; or actual minus predicted.
    """

    number: int
    actual: Any
    predicted: Any
    figure: float


@dataclass(frozen=True)
class Training:
    """What the model's folder says of the run that made it; what it does not say is None or empty.

    Attributes:
        source: what the table was called.
        table_rows: rows of the table.
        rows: how many trained, validated, tested.
        test: measures on the test rows, when the model was made.
        columns: what was made of each column.
        notes: what was said before the training.
        settings: by name, as texts.
        versions: what computed then.
        checkups: of the gradients' health.
    """

    source: str
    table_rows: int | None
    rows: dict[str, int]
    test: dict[str, float]
    columns: tuple[ColumnReport, ...]
    notes: tuple[str, ...]
    settings: dict[str, str]
    versions: dict[str, str]
    checkups: tuple[Checkup, ...]


@dataclass(frozen=True, eq=False)
class Facts:
    """Everything in a report.

    Attributes:
        kind: `training` or `evaluation`.
        task: `classification` or `regression`.
        target: the column.
        source: what the table is called.
        part: which of its rows were measured: `test`, `validation` or `training`; empty in an evaluation.
        measured: how many those are.
        measures: the result.
        actual: labels or amounts of the measured rows.
        predicted: likewise.
        worst: the rows with the largest losses.
        influences: the inputs that move the outputs most: (name, mean size of the derivative), largest first.
        looked_at: on how many rows that was found out.
        layers: (name, numbers in it) of the network.
        clocks: the columns that hold times of day.
        training: of the run.
        history: of the run.
        evaluation: counts and notes of an evaluation; None after a training.
        versions: what computes now.
    """

    kind: str
    task: str
    target: str
    source: str
    part: str
    measured: int
    measures: Measures
    actual: np.ndarray
    predicted: np.ndarray
    worst: tuple[Row, ...]
    influences: tuple[tuple[str, float], ...]
    looked_at: int
    layers: tuple[tuple[str, int], ...]
    clocks: frozenset[str]
    training: Training
    history: History
    evaluation: Evaluation | None
    versions: dict[str, str]


def gather(result: Outcome | Evaluation) -> Facts:
    """The facts of a training or an evaluation.

    After a training they are those of the test rows; of the validation rows if there are no test rows; of the training
    rows if there is nothing else.

    Raises:
        ModelError: the model's record of its training is damaged, or its outputs are not finite.
    """
    if isinstance(result, Evaluation):
        return _facts(
            result.model, "evaluation", result.source, "", result.measured,
            result.inputs, result.outputs, result.targets, result.measures, result,
        )  # fmt: skip
    model, prepared = result.model, result.prepared
    parts = (("test", prepared.rows.test), ("validation", prepared.rows.validation), ("training", prepared.rows.train))
    part, rows = next((name, rows) for name, rows in parts if len(rows))
    outputs, targets = result.outputs[rows], prepared.y[rows]
    measures = measure(model, outputs, targets)
    source = str(model.training.get("source", ""))
    return _facts(model, "training", source, part, rows, prepared.x[rows], outputs, targets, measures, None)


def _facts(
    model: TrainedModel,
    kind: str,
    source: str,
    part: str,
    rows: np.ndarray,
    inputs: np.ndarray,
    outputs: np.ndarray,
    targets: np.ndarray,
    measures: Measures,
    evaluation: Evaluation | None,
) -> Facts:
    actual, predicted = model.preprocessor.decode_target(targets), model.decoded(outputs)
    influences, looked_at = _influences(model, inputs)
    return Facts(
        kind,
        model.preprocessor.task,
        model.preprocessor.target.name,
        source,
        part,
        len(rows),
        measures,
        actual,
        predicted,
        _worst(model, rows, outputs, targets, actual, predicted),
        influences,
        looked_at,
        _layers(model),
        frozenset(column.name for column in model.preprocessor.columns if isinstance(column, Dates) and column.clock),
        training_of(model.training),
        model.history,
        evaluation,
        versions(),
    )


def training_of(record: Mapping[str, Any]) -> Training:
    """What a model's folder says of its training.

    Raises:
        ModelError: it says what cannot be.
    """
    names = {field.name for field in fields(ColumnReport)}
    try:
        return Training(
            source=str(record.get("source", "")),
            table_rows=None if record.get("table_rows") is None else int(record["table_rows"]),
            rows={str(name): int(count) for name, count in record.get("rows", {}).items()},
            test={str(name): float(value) for name, value in record.get("test", {}).items()},
            columns=tuple(ColumnReport(**_checked(column, names)) for column in record.get("columns", ())),
            notes=tuple(str(note) for note in record.get("notes", ())),
            settings={name: _setting(record[name]) for name in SETTINGS if name in record},
            versions={str(name): str(value) for name, value in record.get("versions", {}).items()},
            checkups=tuple(Checkup.from_json(saved) for saved in record.get("checkups", ())),
        )
    except (KeyError, TypeError, ValueError, AttributeError, ModelError) as error:
        raise ModelError("the model's record of its training is damaged: a report cannot be made of it") from error


def _setting(value: Any) -> str:
    """A setting as text."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none: a linear model"
    return str(value)


_COUNTS = {"inputs", "rows", "missing", "distinct", "pooled", "pooled_cells"}
_AMOUNTS = {"low", "middle", "high"}


def _checked(column: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    """The fields of a saved column report, each of its type."""
    if set(column) != names:
        raise ValueError(names)
    kinds: dict[str, tuple[type, ...]] = dict.fromkeys(_COUNTS, (int,))
    kinds |= dict.fromkeys(_AMOUNTS, (float, int, type(None)))
    kinds |= dict.fromkeys(("reason", "fill"), (str, type(None)))
    if not all(isinstance(value, kinds.get(name, (str,))) for name, value in column.items()):
        raise ValueError(column)
    return dict(column)


def _layers(model: TrainedModel) -> tuple[tuple[str, int], ...]:
    """The layers, in a word each, with how many numbers they hold."""
    found = []
    for record, layer in zip(describe(model.network), model.network, strict=True):
        sizes = [str(record[name]) for name in ("in_features", "out_features", "p") if name in record]
        name = f"{record['layer']}({', '.join(sizes)})"
        found.append((name, sum(int(parameter.size) for parameter in layer.parameters())))
    return tuple(found)


def _influences(model: TrainedModel, inputs: np.ndarray) -> tuple[tuple[tuple[str, float], ...], int]:
    """The inputs that the outputs depend on most, and on how many rows that was found out."""
    each = max(1, inputs.shape[1] * (len(model.preprocessor.classes) or 1))
    some = np.linspace(0, len(inputs) - 1, min(len(inputs), LOOKED_AT, max(4, NUMBERS // each))).astype(np.int64)
    found = sensitivity(model.network, inputs[some], model.preprocessor.input_names)
    sizes = found.of_inputs
    if not model.preprocessor.classes:
        sizes = np.abs(model.preprocessor.decode_target(sizes) - model.preprocessor.decode_target(np.zeros(1)))
    order = np.argsort(-sizes, kind="stable")[:INPUTS]
    return tuple((found.names[i], float(sizes[i])) for i in order), len(some)


def _worst(
    model: TrainedModel,
    rows: np.ndarray,
    outputs: np.ndarray,
    targets: np.ndarray,
    actual: np.ndarray,
    predicted: np.ndarray,
) -> tuple[Row, ...]:
    """The rows with the largest loss; of classes only wrong ones, unless none is wrong."""
    if model.preprocessor.classes:
        from scipy.special import softmax

        figures = softmax(outputs.astype(np.float64), axis=1)[np.arange(len(targets)), targets]
        order = np.argsort(figures, kind="stable")
        wrong = np.array([bool(actual[i] != predicted[i]) for i in order])
        order = order[wrong] if wrong.any() else order[:3]
    else:
        figures = actual - predicted
        order = np.argsort(-np.abs(figures), kind="stable")
    return tuple(Row(int(rows[i]) + 1, actual[i], predicted[i], float(figures[i])) for i in order[:WORST])
