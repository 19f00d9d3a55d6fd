"""The recipe behind ``retrograd train``: a fully connected network for a prepared table."""

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import pairwise
from platform import python_version
from typing import Any

import numpy as np

from retrograd import nn, optim
from retrograd.data import Prepared
from retrograd.errors import RetrogradError
from retrograd.ops.random import Generator
from retrograd.train import metrics
from retrograd.train.callbacks import Callback, GradientHealth
from retrograd.train.history import History
from retrograd.train.threads import threads_for
from retrograd.train.trained_model import TrainedModel, digest
from retrograd.train.trainer import Trainer

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "gelu": nn.GELU, "silu": nn.SiLU,
    "leaky_relu": nn.LeakyReLU, "softplus": nn.Softplus,
}  # fmt: skip
OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "cosine", "one-cycle")
MOMENTUM = 0.9  # of sgd


@dataclass(frozen=True)
class Settings:
    """What can be chosen. The defaults were chosen without the test rows: `docs/decisions/0005-training.md`.

    Attributes:
        hidden: the width of each hidden layer; none makes the model linear.
        activation: a name in `ACTIVATIONS`.
        dropout: the probability with which a hidden value is left out in training.
        optimizer: a name in `OPTIMIZERS`.
        lr: the learning rate; under a schedule the largest one.
        schedule: a name in `SCHEDULES`: how the learning rate goes over all steps of all epochs.
        weight_decay: how strongly weights are drawn to zero.
        batch_size: rows in a step; None for a hundredth of the training rows, from 32 to 256.
        epochs: the most epochs.
        patience: epochs without a better validation loss after which training ends; the best epoch's weights are kept.
        seed: of the weights, the dropout and the order of rows.
    """

    hidden: tuple[int, ...] = (256,)
    activation: str = "relu"
    dropout: float = 0.3
    optimizer: str = "adam"
    lr: float = 1e-3
    schedule: str = "constant"
    weight_decay: float = 1e-3
    batch_size: int | None = None
    epochs: int = 200
    patience: int = 20
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Outcome:
    """A trained model and what it makes of the rows it came from.

    Attributes:
        model: to keep.
        outputs: the network's outputs for all rows of the table, in its order.
        scores: measures on the test rows, `accuracy` or `r2` and `rmse` (in the target's unit); empty without any.
        baseline: the same measure of a model that always says the most frequent class, or the mean.
        confusion: int64 (classes, classes) on the test rows, true class by predicted one; None for regression.
        prepared: the rows it came from.
    """

    model: TrainedModel
    outputs: np.ndarray
    scores: dict[str, float]
    baseline: dict[str, float]
    confusion: np.ndarray | None
    prepared: Prepared


def network(inputs: int, outputs: int, settings: Settings, generator: Generator) -> nn.Sequential:
    """Linear layers with the activation and dropout between them."""
    layers: list[nn.Module] = []
    for width in settings.hidden:
        layers += [nn.Linear(inputs, width, generator=generator), ACTIVATIONS[settings.activation]()]
        if settings.dropout:
            layers.append(nn.Dropout(settings.dropout, generator=generator))
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs, generator=generator))


def train_table(
    prepared: Prepared,
    settings: Settings,
    *,
    source: str,
    callbacks: Sequence[Callback] = (),
    progress: bool = True,
    engine: str = "auto",
) -> Outcome:
    """Train a network on a prepared table and measure it on the test rows.

    Args:
        prepared: the table's arrays and rows.
        settings: see there.
        source: what the table is called, for the record.
        callbacks: told of the run.
        progress: show it.
        engine: of the `Trainer`.

    Raises:
        RetrogradError: the network is too large for this machine, or the engine is `native`, and the steps cannot be
            compiled.
        TrainingDiverged: the loss became infinite or NaN.
    """
    classes, rows = prepared.preprocessor.classes, prepared.rows
    _check_memory((prepared.x.shape[1], *settings.hidden, len(classes) or 1))
    generator = Generator(settings.seed)
    model = network(prepared.x.shape[1], len(classes) or 1, settings, generator)
    x = prepared.x.astype(np.float32)
    y = prepared.y if classes else prepared.y.astype(np.float32)[:, None]
    batch_size = settings.batch_size or batch_for(len(rows.train))
    trainer = Trainer(
        model,
        nn.cross_entropy if classes else nn.mse_loss,
        _optimizer(model, settings, settings.epochs * -(-len(rows.train) // batch_size)),
        metrics=[metrics.accuracy] if classes else [metrics.r2],
        callbacks=callbacks,
        generator=generator,
        engine=engine,
    )
    held = (x[rows.validation], y[rows.validation]) if len(rows.validation) else None
    with threads_for((x.shape[1], *settings.hidden, len(classes) or 1)):
        history = trainer.fit(
            x[rows.train],
            y[rows.train],
            settings.epochs,
            batch_size=batch_size,
            validation=held,
            early_stopping=settings.patience if held is not None else None,
            progress=progress,
        )
        outputs = trainer.predict(x)
    looks = [look for callback in callbacks if isinstance(callback, GradientHealth) for look in callback.checkups]
    record = {"source": source, **asdict(settings), "batch_size": batch_size, "checkups": [c.to_json() for c in looks]}
    return _measured(prepared, model, outputs, history, record)


def batch_for(rows: int) -> int:
    """A power of two near a hundredth of the rows, from 32 to 256.

    >>> batch_for(100), batch_for(5000), batch_for(10**6)
    (32, 64, 256)
    """
    return min(256, max(32, 1 << max(0, (rows // 100).bit_length())))


def _check_memory(widths: Sequence[int]) -> None:
    """Refuse a network that this machine cannot hold: the system would end the process without a word.

    A float32 number has a gradient, two slots of Adam and a copy in the best weights: 20 bytes.
    """
    count = sum((ins + 1) * outs for ins, outs in pairwise(widths))
    try:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows does not say
        return
    if 20 * count > there:
        raise RetrogradError(
            f"hidden layers of {', '.join(map(str, widths[1:-1]))} make {count:,} parameters, which need "
            f"{20 * count / 1e9:,.0f} GB to train; this machine has {there / 1e9:,.0f}: choose narrower ones"
        )


def _optimizer(model: nn.Module, settings: Settings, steps: int) -> optim.Optimizer:
    """The optimiser for a run of at most so many steps."""
    lr = _learning_rate(settings, steps)
    if settings.optimizer == "sgd":
        return optim.SGD(model, lr=lr, momentum=MOMENTUM, weight_decay=settings.weight_decay)
    if settings.optimizer == "adam":
        return optim.Adam(model, lr=lr, weight_decay=settings.weight_decay)
    if settings.optimizer == "adamw":
        return optim.AdamW(model, lr=lr, weight_decay=settings.weight_decay)
    raise RetrogradError(f"there is no optimizer {settings.optimizer!r}: choose {' or '.join(OPTIMIZERS)}")


def _learning_rate(settings: Settings, steps: int) -> Any:
    if settings.schedule == "constant":
        return settings.lr
    if settings.schedule == "cosine":
        return optim.schedules.cosine_annealing(settings.lr, steps)
    if settings.schedule == "one-cycle":
        return optim.schedules.one_cycle(settings.lr, steps)
    raise RetrogradError(f"there is no schedule {settings.schedule!r}: choose {' or '.join(SCHEDULES)}")


def _measured(
    prepared: Prepared, model: nn.Sequential, outputs: np.ndarray, history: History, record: dict[str, Any]
) -> Outcome:
    """The outcome: test scores beside those of a model that has learned nothing."""
    preprocessor, rows = prepared.preprocessor, prepared.rows
    scores: dict[str, float] = {}
    baseline: dict[str, float] = {}
    confusion = None
    if len(rows.test):
        scores, confusion = scored(preprocessor, outputs[rows.test], prepared.y[rows.test])
        baseline, _ = scored(preprocessor, _knows_nothing(prepared, len(rows.test)), prepared.y[rows.test])
    record.update(
        hidden=list(record["hidden"]),
        task=prepared.task.name,
        target=preprocessor.target.name,
        rows={part: len(getattr(rows, part)) for part in ("train", "validation", "test")},
        table_rows=len(prepared.x),
        class_counts=_class_counts(prepared).tolist(),
        columns=[asdict(column) for column in prepared.columns],
        notes=list(prepared.notes),
        versions=versions(),
        test=scores,
        inputs_sha256=digest(prepared.x),
        outputs_sha256=digest(outputs),
    )
    return Outcome(TrainedModel(model, preprocessor, record, history), outputs, scores, baseline, confusion, prepared)


def scored(preprocessor: Any, outputs: np.ndarray, targets: np.ndarray) -> tuple[dict[str, float], np.ndarray | None]:
    """Measures of outputs against encoded targets, amounts in the target's own unit; and the confusion matrix."""
    if preprocessor.task == "classification":
        return {"accuracy": metrics.accuracy(outputs, targets)}, metrics.confusion(outputs, targets)
    found, wanted = preprocessor.decode_target(outputs[:, 0]), preprocessor.decode_target(targets)
    return {"r2": metrics.r2(found, wanted), "rmse": metrics.rmse(found, wanted)}, None


def _knows_nothing(prepared: Prepared, count: int) -> np.ndarray:
    """Outputs of the training rows' most frequent class, or of their mean, which is 0 once standardised."""
    if not prepared.preprocessor.classes:
        return np.zeros((count, 1))
    return np.tile(_class_counts(prepared).astype(np.float64), (count, 1))


def _class_counts(prepared: Prepared) -> np.ndarray:
    """How many training rows each class has: int64 (classes,), empty for regression."""
    classes = len(prepared.preprocessor.classes)
    if not classes:
        return np.zeros(0, dtype=np.int64)
    return np.bincount(prepared.y[prepared.rows.train], minlength=classes)


def versions() -> dict[str, str]:
    """What computes here: `python`, `numpy`, `retrograd`."""
    return {"python": python_version(), "numpy": np.__version__, "retrograd": version("retrograd")}
