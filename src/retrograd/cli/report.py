"""What the commands tell a person about a model's results."""

import numpy as np

from retrograd.report.wording import amount, counted
from retrograd.train.tabular import Outcome

WIDEST = 15
"""A confusion matrix of more classes is shown as its largest entries."""

_LABEL = 18  # characters of a class's name in a matrix


def report_of(outcome: Outcome) -> str:
    """The test scores of a training, and for classes the confusion matrix."""
    preprocessor = outcome.model.preprocessor
    if not outcome.scores:
        return "No test rows: the model was not measured."
    count = outcome.model.training["rows"]["test"]
    scores = score_line(outcome.scores, preprocessor.target.name)
    lines = [f"Test: {scores} on {counted(count, 'row')} ({_floor(outcome)})."]
    if outcome.confusion is not None:
        lines += matrix_lines([str(label) for label in preprocessor.classes], outcome.confusion)
    return "\n".join(lines)


def score_line(scores: dict[str, float], target: str) -> str:
    """`accuracy 97.22%`, or `R2 0.4620, RMSE 54.12 in the unit of 'target'`."""
    if "accuracy" in scores:
        return f"accuracy {scores['accuracy']:.2%}"
    return f"R2 {scores['r2']:.4f}, RMSE {amount(scores['rmse'])} in the unit of {target!r}"


def _floor(outcome: Outcome) -> str:
    """What a model that has learned nothing would reach."""
    if "accuracy" in outcome.baseline:
        return f"the most frequent class alone: {outcome.baseline['accuracy']:.2%}"
    return f"the mean alone: RMSE {amount(outcome.baseline['rmse'])}"


def matrix_lines(labels: list[str], matrix: np.ndarray) -> list[str]:
    """A confusion matrix as text, zeros as dots; of many classes only the most frequent confusions."""
    if len(labels) > WIDEST:
        return _largest(labels, matrix)
    names = [_short(label) for label in labels]
    cells = [[str(n) if n else "." for n in row] for row in matrix.tolist()]
    widths = [max(len(name), *(len(row[j]) for row in cells)) for j, name in enumerate(names)]
    margin = max(map(len, names))
    head = " ".join(f"{name:>{width}}" for name, width in zip(names, widths, strict=True))
    lines = ["Rows by their class, columns by the predicted one:", f"  {'':{margin}}  {head}"]
    for name, row in zip(names, cells, strict=True):
        shown = " ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
        lines.append(f"  {name:>{margin}}  {shown}")
    return lines


def _largest(labels: list[str], matrix: np.ndarray) -> list[str]:
    """The ten most frequent confusions."""
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    places = np.argsort(-wrong, axis=None, kind="stable")[:10]
    pairs = [(i, j) for i, j in zip(*np.unravel_index(places, wrong.shape), strict=True) if wrong[i, j]]
    if not pairs:
        return []
    shown = [f"  {_short(labels[i])} taken for {_short(labels[j])}: {wrong[i, j]}" for i, j in pairs]
    return [f"The most frequent confusions among {len(labels)} classes:", *shown]


def _short(label: str) -> str:
    """A class's name for a terminal: on one line, not too long, and without the codes that terminals obey."""
    text = "".join(letter if letter.isprintable() else "?" for letter in " ".join(label.split()))
    return text if len(text) <= _LABEL else f"{text[: _LABEL - 1]}…"
