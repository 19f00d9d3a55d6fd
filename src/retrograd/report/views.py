"""What a report says of the facts, in words and in rows of tables; the templates escape it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from retrograd.data import ColumnReport
from retrograd.data.date_encoder import shown as shown_date
from retrograd.report.gather import Facts
from retrograd.report.wording import amount, counted, share, shown
from retrograd.train.diagnostics.wording import COLUMNS, cells

_PARTS = {
    "test": "test rows, which the training did not see",
    "validation": "validation rows",
    "training": "training rows",
}

MEANINGS = {
    "accuracy": ("Accuracy", "share of rows whose class is predicted"),
    "balanced_accuracy": ("Balanced accuracy", "mean recall of the classes: each counts alike"),
    "log_loss": ("Log loss", "mean cross-entropy in nats; small if the probabilities are right"),
    "r2": ("R²", "share of the variance explained; 1 is perfect, 0 no better than the mean"),
    "rmse": ("RMSE", "root mean square error; large errors weigh more"),
    "mae": ("Mean absolute error", "average size of an error"),
    "median_absolute_error": ("Median absolute error", "half of the rows are at least as close"),
}

_REASONS = {"empty": "there is nothing in it", "constant": "it is the same in all training rows"}

_TREATMENTS = {
    "numeric": "standardised",
    "boolean": "1 and 0",
    "date": "time passed and its place in the day, week and year",
    "categorical": "an input for each category",
}


def headline(facts: Facts) -> dict[str, str]:
    """The figure that says most, beside the same of a model that has learned nothing."""
    name = "accuracy" if facts.task == "classification" else "rmse"
    found, nothing = facts.measures.scores[name], facts.measures.baseline[name]
    return {
        "name": MEANINGS[name][0],
        "value": figure(name, found),
        "baseline": figure(name, nothing),
        "says": f"always saying {facts.measures.knows}",
        "unit": "" if name == "accuracy" else f"in the unit of {shown(facts.target)!r}",
        "on": f"on {counted(facts.measured, 'row')}"
        if facts.evaluation
        else f"on the {facts.measured:,} {_PARTS[facts.part]}",
    }


def verdict(facts: Facts) -> str:
    """Whether the model is any good, in a sentence."""
    scores, nothing = facts.measures.scores, facts.measures.baseline
    if facts.measures.interval is not None:
        low, high = facts.measures.interval
        plain = nothing["accuracy"] or 0.0
        how = "Clearly better" if low > plain else "Worse" if high < plain else "Not clearly better"
        spread = "" if caution(facts) else f" On other rows of the kind expect {share(low)} to {share(high)}."
        return f"{how} than a model that has learned nothing.{spread}"
    found, plain = scores["rmse"] or 0.0, nothing["rmse"] or 0.0
    if found >= plain:
        return "No better than a model that has learned nothing."
    less = f"Its errors are {1 - found / plain:.0%} smaller than those of a model that has learned nothing"
    explained = scores["r2"]
    return f"{less}." if explained is None else f"{less}; it explains {share(explained)} of the variance."


def caution(facts: Facts) -> str:
    """What makes the result look better than it is; empty if nothing does."""
    if facts.part == "validation":
        return "There were no test rows: these have chosen the best epoch, so on new rows it does somewhat worse."
    if facts.part == "training":
        return "There were no other rows: the model has learned from these, and on new rows it does worse."
    if facts.evaluation is None or not facts.evaluation.own:
        return ""
    test = facts.training.test
    found = "accuracy" if "accuracy" in test else "rmse"
    learned = "These are the rows of the training run, and the model has learned from most of them."
    if found not in test:
        return f"{learned} On new rows it does worse."
    value = f"{'accuracy' if found == 'accuracy' else 'RMSE'} {figure(found, test[found])}"
    tested = facts.training.rows.get("test", 0)
    return f"{learned} The {tested:,} test rows among them, which it did not see, gave {value}."


def measures_table(facts: Facts) -> list[dict[str, str]]:
    """A row for each measure."""
    return [
        {
            "name": MEANINGS[name][0],
            "found": figure(name, value),
            "nothing": figure(name, facts.measures.baseline[name]),
            "meaning": MEANINGS[name][1],
        }
        for name, value in facts.measures.scores.items()
    ]


def columns_table(facts: Facts) -> list[dict[str, Any]]:
    """A row for each column of the training table."""
    return [
        {
            "name": column.name,
            "kind": column.kind,
            "inputs": column.inputs,
            "missing": f"{column.missing:,} ({column.missing / column.rows:.1%})" if column.missing else "",
            "distinct": f"{column.distinct:,}",
            "spread": _spread(column, facts.clocks),
            "done": "; ".join(_done(column)),
        }
        for column in facts.training.columns
    ]


def health_table(facts: Facts) -> dict[str, Any] | None:
    """The last look at the gradients."""
    if not facts.training.checkups:
        return None
    last = facts.training.checkups[-1]
    return {
        "epoch": last.epoch,
        "loss": f"{last.health.loss:.4g}",
        "examples": last.health.examples,
        "head": COLUMNS,
        "rows": [cells(layer) for layer in last.health.layers],
        "updates": [(path, f"{ratio:.1e}") for path, ratio in last.updates.items()],
        "advice": last.advice,
    }


def _done(column: ColumnReport) -> Iterator[str]:
    """What was done with a column, in parts."""
    if column.reason is not None:
        yield f"left out: {_REASONS.get(column.reason) or f'it {column.said}'}"
        return
    yield _TREATMENTS.get(column.kind, column.kind)
    if column.said:
        yield column.said
    if column.missing:
        yield "missing cells have an input of their own" if column.fill is None else f"missing cells take {column.fill}"
    if column.pooled:
        rare = "1 rare category" if column.pooled == 1 else f"{column.pooled:,} rare categories"
        yield f"{rare} taken together, in {counted(column.pooled_cells, 'cell')}"


def _spread(column: ColumnReport, clocks: frozenset[str]) -> list[str]:
    """Least, median and largest."""
    if column.low is None or column.middle is None or column.high is None:
        return []
    numbers = (column.low, column.middle, column.high)
    if column.kind == "date":
        return [shown_date(number, clock=column.name in clocks) for number in numbers]
    return [amount(number) for number in numbers]


def figure(name: str, value: float | None) -> str:
    """A measure, called as in `Measures.scores`, as people write it; a dash for one that is undefined."""
    if value is None:
        return "-"
    if name.endswith("accuracy"):
        return share(value)
    # Adding 0 makes 0 of -0.
    return f"{round(value, 4) + 0.0:.4f}" if name in {"r2", "log_loss"} else amount(value)
