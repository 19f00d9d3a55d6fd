"""What a person sees of a run: a live line on a terminal, some lines elsewhere."""

import io
import re

import pytest
from rich.console import Console

from retrograd.train import EarlyStopping, Progress
from retrograd.train.callbacks import progress
from retrograd.train.callbacks.progress import LINES, span


def watched(trainer, problem, epochs, terminal=False, **options):
    """What a run writes."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=200 if terminal else 40, color_system=None)
    trainer.callbacks = (*trainer.callbacks, Progress(console))
    trainer.fit(*problem, epochs, **{"progress": False, "batch_size": 16} | options)
    return file.getvalue()


def test_lines_where_there_is_no_terminal(problem, make):
    text = watched(make(engine="eager"), problem, 3, validation=0.2)
    lines = text.splitlines()
    pattern = r"epoch {}/3  loss \S+  val_loss \S+  val_accuracy \S+  [\d,]+ rows/s"
    for epoch, line in enumerate(lines[:3], 1):
        assert re.fullmatch(pattern.format(epoch) + (r"  \S+( s)? left" if epoch < 3 else ""), line)
    assert re.fullmatch(r"Trained 3 epochs, 15 steps in \S+ s \([\d,]+ rows/s, eager\)\.", lines[3])
    assert len(lines) == 4, "nothing is wrapped at 40 columns"


def test_a_long_run_prints_about_twenty_lines(problem, make):
    text = watched(make(), problem, 200, batch_size=90)
    shown = [int(n) for n in re.findall(r"^epoch +(\d+)/200", text, re.MULTILINE)]
    assert shown[0] == 1 and shown[-1] == 200 and LINES <= len(shown) <= LINES + 2


def test_slow_epochs_are_not_silent(problem, make, monkeypatch):
    monkeypatch.setattr(progress, "_PATIENCE", -1.0)
    text = watched(make(), problem, 50, batch_size=90)
    assert len(re.findall(r"^epoch", text, re.MULTILINE)) == 50


def test_the_end_says_why_and_which_weights(problem, make):
    text = watched(make(), problem, 60, validation=0.3, early_stopping=EarlyStopping(1, monitor="val_accuracy"))
    assert re.search(r"steps in .*: val_accuracy has not improved for 1 epochs\.$", text, re.MULTILINE)
    assert re.search(
        r"^Kept the weights of epoch \d+, the best: loss \S+  val_loss \S+  val_accuracy \S+\.$", text, re.MULTILINE
    )


def test_casts_are_said(problem, make):
    x, y = problem
    text = watched(make(), (x.astype("float64"), y), 1)
    assert text.startswith("x is cast from float64 to float32, as the model computes.\n")


def test_a_live_line_on_a_terminal(problem, make, monkeypatch):
    monkeypatch.setattr(progress, "_REFRESH", 0.0)
    text = watched(make(), problem, 4, terminal=True, validation=0.2, early_stopping=3)
    assert "epoch 3/4" in text and "val_loss" in text and "rows/s" in text and "(best: epoch " in text
    assert re.search(r"at most \S+ s left", text)
    assert "\x1b[?25h" in text, "the cursor is shown again"
    assert text.splitlines()[-1].startswith("Kept the weights of epoch")


def test_the_terminal_is_left_in_order_after_an_error(problem, make, monkeypatch):
    from retrograd.train import Callback

    class Fails(Callback):
        def on_epoch_end(self, run, values):
            raise KeyError("mine")

    file = io.StringIO()
    trainer = make(callbacks=[Progress(Console(file=file, force_terminal=True)), Fails()])
    with pytest.raises(KeyError):
        trainer.fit(*problem, 2, progress=False)
    assert "\x1b[?25h" in file.getvalue()


def test_progress_writes_to_standard_error(problem, make, capsys):
    make(engine="eager").fit(*problem, 1)
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("epoch 1/1")


@pytest.mark.parametrize(
    "seconds, text",
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (12, "12 s"), (75, "1:15"), (7265, "2:01:05"), (float("inf"), "?")],
)
def test_spans(seconds, text):
    assert span(seconds) == text
