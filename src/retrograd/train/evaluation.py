"""`evaluate`: how good a trained model is on a labelled table, beside one that has learned nothing."""

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from retrograd.data import Table
from retrograd.data._wording import counted, listed, quoted
from retrograd.data.cells import read_columns
from retrograd.data.encoders import Categorical
from retrograd.data.target import Classes
from retrograd.data.task import Label
from retrograd.errors import DataError, ModelError
from retrograd.train import metrics
from retrograd.train.trained_model import TrainedModel, digest

SURE = 0.95  # of the interval around an accuracy


@dataclass(frozen=True)
class ClassScore:
    """How a class fared.

    Attributes:
        label: the class.
        precision: of the rows that were taken for it, the share that are of it; None if no row was.
        recall: of its rows, the share that were found; None if it has no row.
        f1: the harmonic mean of the two; None if no row is of it or was taken for it.
        support: its rows.
    """

    label: Label
    precision: float | None
    recall: float | None
    f1: float | None
    support: int


@dataclass(frozen=True, eq=False)
class Measures:
    """What `measure` finds.

    Attributes:
        scores: `accuracy`, `balanced_accuracy` (the mean recall of the classes that have rows) and `log_loss` (the mean
            cross-entropy, in nats); or `r2`, `rmse`, `mae` and `median_absolute_error`, in the target's unit. R2 of a
            single row is None.
        baseline: the same for a model that has learned nothing: it always says the most frequent class of the training
            rows, and for the log loss the classes' shares there; or their mean.
        knows: what that model says, to be read after "always".
        interval: within which the accuracy on other rows of the kind lies, 19 times out of 20 (Wilson, 1927), if the
            model has not learned from these; None for regression.
        classes: one for each class.
        confusion: int64 (classes, classes), true class by predicted one; None for regression.
    """

    scores: dict[str, float | None]
    baseline: dict[str, float | None]
    knows: str
    interval: tuple[float, float] | None = None
    classes: tuple[ClassScore, ...] = ()
    confusion: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A trained model on the rows of a table.

    Attributes:
        model: which was measured.
        source: what the table is called.
        rows: how many the table has.
        measured: int64 (n,), the rows that count, counted from 0: those with a target that the model can know.
        without_target: how many have none.
        unknown: rows by label, of labels that are no class of the model. Such a row is in no measure.
        unseen: cells by column that hold a category which training never saw.
        inputs: (n, inputs) float64, of the measured rows.
        outputs: (n, outputs), the network's, likewise: the same bits as in `retrograd predict`.
        targets: (n,) class indices, or standardised amounts.
        measures: how good that is.
        own: whether the table is that of the training, so that the measures are too good.
        notes: sentences for a person.
    """

    model: TrainedModel
    source: str
    rows: int
    measured: np.ndarray
    without_target: int
    unknown: dict[str, int]
    unseen: dict[str, int]
    inputs: np.ndarray
    outputs: np.ndarray
    targets: np.ndarray
    measures: Measures
    own: bool
    notes: tuple[str, ...] = field(default=())

    @property
    def actual(self) -> np.ndarray:
        """Labels in their own type, or amounts in their own unit."""
        return self.model.preprocessor.decode_target(self.targets)

    @property
    def predicted(self) -> np.ndarray:
        """Likewise, as the model says."""
        return self.model.decoded(self.outputs)

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, texts and numbers; a measure that is undefined or infinite is None."""
        found = self.measures
        record: dict[str, Any] = {
            "data": self.source,
            "task": self.model.preprocessor.task,
            "target": self.model.preprocessor.target.name,
            "rows": {
                "table": self.rows,
                "measured": len(self.measured),
                "without_target": self.without_target,
                "unknown_label": sum(self.unknown.values()),
            },
            "scores": {name: finite(value) for name, value in found.scores.items()},
            "baseline": {name: finite(value) for name, value in found.baseline.items()},
            "baseline_says": found.knows,
            "rows_of_the_training": self.own,
            "unknown_labels": [{"label": label, "rows": count} for label, count in self.unknown.items()],
            "unseen_categories": dict(self.unseen),
            "notes": list(self.notes),
        }
        if found.confusion is not None:
            record["accuracy_interval"] = None if found.interval is None else list(found.interval)
            record["classes"] = [vars(score) for score in found.classes]
            record["confusion"] = {
                "labels": list(self.model.preprocessor.classes),
                "counts": found.confusion.tolist(),
            }
        return record


def evaluate(model: TrainedModel, table: Table) -> Evaluation:
    """Measure a model on a table that has its target column.

    A row without a target, or whose label is no class of the model, is in no measure; both are counted.

    Args:
        model: trained.
        table: with the columns that the model was trained on, the target among them.

    Raises:
        DataError: the target column is not there, no row can be measured, or a cell cannot be used.
        ModelError: the model's outputs are not finite.

    >>> from retrograd import data
    >>> from retrograd.train import evaluate
    >>> from retrograd.train.tabular import Settings, train_table
    >>> wine = data.load("wine")
    >>> model = train_table(data.prepare(wine), Settings(epochs=5), source="wine", progress=False).model
    >>> found = evaluate(model, wine)
    >>> len(found.measured), found.measures.knows, sorted(found.measures.scores)
    (178, "'class_1', the most frequent class in training", ['accuracy', 'balanced_accuracy', 'log_loss'])
    """
    preprocessor = model.preprocessor
    target = preprocessor.target
    if target.name not in table.columns:
        raise DataError(
            f"{quoted(table.name)} has no column {quoted(target.name)}, the target of the model: without it there is "
            f"nothing to compare with. The columns are: {listed(table.columns)}"
        )
    notes = list(table.notes)
    inputs = preprocessor.transform(table.frame, notes)
    unseen = _unseen(model, table)
    outputs = model.outputs(inputs)
    labels = table.frame[target.name]
    unknown: dict[str, int] = {}
    if isinstance(target, Classes):
        targets, unknown = target.places(labels)
    else:
        targets = target.encode(labels)
    known = targets >= 0 if isinstance(target, Classes) else ~np.isnan(targets)
    strange = sum(unknown.values())
    without = len(known) - int(known.sum()) - strange
    if without:
        notes.append(f"Not measured, as there is no {quoted(target.name)}: {counted(without, 'row')}.")
    if unknown:
        kinds = ", ".join(f"{quoted(label)} ({counted(count, 'row')})" for label, count in list(unknown.items())[:6])
        more = f" and {len(unknown) - 6} more" if len(unknown) > 6 else ""
        notes.append(f"Not measured, as the model does not know the label: {kinds}{more}.")
    own = model.training.get("inputs_sha256") == digest(inputs)
    if own:
        notes.append(_own_rows(model))
    if not known.any():
        raise DataError(
            f"no row of {quoted(table.name)} can be measured: "
            + (f"its labels ({listed(unknown, 6)}) are no class of the model" if unknown else "none has a target")
        )
    measured = np.flatnonzero(known)
    found = measure(model, outputs[measured], targets[measured])
    return Evaluation(
        model, table.name, len(known), measured, without, unknown, unseen,
        inputs[measured], outputs[measured], targets[measured], found, own, tuple(notes),
    )  # fmt: skip


def _own_rows(model: TrainedModel) -> str:
    """A warning: these measures are too good."""
    sizes = model.training.get("rows")
    trained = f" {sizes['train']} of them" if isinstance(sizes, dict) and "train" in sizes else " most of them"
    return (
        f"These are the rows of the training run, and{trained} are what the model learned from; new rows are harder "
        "for it."
    )


def measure(model: TrainedModel, outputs: np.ndarray, targets: np.ndarray) -> Measures:
    """Measures of a model's outputs against encoded targets, amounts in the target's own unit.

    Args:
        model: whose they are; its record of the training says how frequent the classes were.
        outputs: n rows, n at least 1.
        targets: (n,) class indices, or standardised amounts.

    Raises:
        ModelError: an output is not finite.
    """
    with np.errstate(all="ignore"):
        if not np.isfinite(model.decoded(outputs) if not model.preprocessor.classes else outputs).all():
            raise ModelError("the model's outputs are not finite on these rows: nothing can be measured")
        if model.preprocessor.classes:
            return _of_classes(model, outputs, targets)
        return _of_amounts(model, outputs, targets)


def _of_classes(model: TrainedModel, outputs: np.ndarray, targets: np.ndarray) -> Measures:
    """Measures for classification."""
    from scipy.stats import binomtest

    labels = model.preprocessor.classes
    counts, known = _class_counts(model, targets)
    often = int(np.argmax(counts))
    chosen = metrics.predicted_classes(outputs)
    right = int((chosen == targets).sum())
    spread = binomtest(right, len(targets)).proportion_ci(SURE, method="wilson")
    precision, recall, f1, support = _by_class(targets, chosen, len(labels))
    always = np.full(len(targets), often)
    scores: dict[str, float | None] = {
        "accuracy": metrics.accuracy(outputs, targets),
        "balanced_accuracy": float(recall[support > 0].mean()),
        "log_loss": _log_loss(outputs, targets),
    }
    baseline: dict[str, float | None] = {
        "accuracy": float((always == targets).mean()),
        "balanced_accuracy": float(_by_class(targets, always, len(labels))[1][support > 0].mean()),
        "log_loss": _log_loss(np.tile(np.log(counts / counts.sum()), (len(targets), 1)), targets),
    }
    classes = tuple(
        ClassScore(label, finite(p), finite(r), finite(f), int(n))
        for label, p, r, f, n in zip(labels, precision, recall, f1, support, strict=True)
    )
    return Measures(
        scores,
        baseline,
        f"{quoted(labels[often])}, the most frequent class {known}",
        (float(spread.low), float(spread.high)),
        classes,
        metrics.confusion(outputs, targets),
    )


def _of_amounts(model: TrainedModel, outputs: np.ndarray, targets: np.ndarray) -> Measures:
    """Measures for regression."""
    found, wanted = model.decoded(outputs), model.preprocessor.decode_target(targets)
    mean = float(model.preprocessor.decode_target(np.zeros(1))[0])
    baseline = _differences(np.full(len(wanted), mean), wanted)
    return Measures(_differences(found, wanted), baseline, f"{mean:.4g}, the mean in training")


def _differences(found: np.ndarray, wanted: np.ndarray) -> dict[str, float | None]:
    """Measures of amounts."""
    return {
        "r2": metrics.r2(found, wanted) if len(wanted) > 1 else None,  # a single row has no variance to explain
        "rmse": metrics.rmse(found, wanted),
        "mae": metrics.mae(found, wanted),
        "median_absolute_error": float(np.median(np.abs(found - wanted))),
    }


def _by_class(targets: np.ndarray, chosen: np.ndarray, classes: int) -> tuple[np.ndarray, ...]:
    """Precision, recall, F1 and support of each class; NaN where one is not defined."""
    from sklearn.metrics import precision_recall_fscore_support

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on classes without rows; they are NaN
        found = precision_recall_fscore_support(targets, chosen, labels=np.arange(classes), zero_division=np.nan)
    return tuple(np.asarray(values) for values in found)


def _log_loss(scores: np.ndarray, targets: np.ndarray) -> float:
    """The mean cross-entropy in float64; probabilities are not clipped."""
    from scipy.special import log_softmax

    logs = log_softmax(scores.astype(np.float64), axis=1)
    return float(-logs[np.arange(len(targets)), targets].mean())


def _class_counts(model: TrainedModel, targets: np.ndarray) -> tuple[np.ndarray, str]:
    """How frequent the classes are in training, or, if the record does not say it, in the rows; and which it is."""
    classes = len(model.preprocessor.classes)
    saved = model.training.get("class_counts")
    if isinstance(saved, list) and len(saved) == classes and all(type(n) is int and n > 0 for n in saved):
        return np.array(saved, dtype=np.float64), "in training"
    return np.bincount(targets, minlength=classes).astype(np.float64), "in these rows"


def _unseen(model: TrainedModel, table: Table) -> dict[str, int]:
    """Cells with a category that the table of the training had not, by column."""
    encoders = [column for column in model.preprocessor.columns if isinstance(column, Categorical)]
    read = read_columns(table.frame, [encoder.name for encoder in encoders])
    counts = {encoder.name: int(cells.level_counts[encoder.unseen(cells)].sum())
              for encoder in encoders for cells in [read[encoder.name]]}  # fmt: skip
    return {name: count for name, count in counts.items() if count}


def finite(value: float | None) -> float | None:
    """A float, or None for what is undefined or infinite, which JSON cannot say."""
    return None if value is None or not np.isfinite(value) else float(value)
