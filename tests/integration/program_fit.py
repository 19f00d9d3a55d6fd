"""A run to be killed: `python program_fit.py FOLDER SAVE_EVERY OUT [loop]`; FOLDER `-` for a run that saves nothing.

With `loop` nobody wants to hear of every step, and they are made many at a time, also where the native engine is missing.
"""

import hashlib
import json
import sys
import time
from pathlib import Path

import numpy as np

import retrograd as rg
from retrograd.train import Callback, Trainer, engine, metrics

EPOCHS, STEPS = 20, 640


class Log(Callback):
    """Writes every step down, and remembers their number over restarts."""

    def __init__(self, path, every_step):
        self.path, self.seen, self.every_step = path, 0, every_step

    def on_step_end(self, run, loss):
        self.seen += 1
        with self.path.open("a") as file:
            file.write(f"{run.steps}\n")
        time.sleep(0.001 if self.every_step else 0.05)  # a fast engine must not be through before a signal comes

    def on_epoch_end(self, run, values):
        run.optimizer.lr = run.optimizer.lr * 0.9

    def state_dict(self):
        return {"seen": self.seen}

    def load_state_dict(self, state):
        self.seen = state["seen"]


def data():
    """400 rows of 20 numbers, four classes."""
    draw = np.random.RandomState(0)
    y = np.arange(400) % 4
    return draw.normal(size=(400, 20)) + y[:, None] * draw.normal(size=20), y


def digests(arrays):
    """A name for each array's bits."""
    return {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in arrays.items()}


def main(folder, save_every, out, *loop):
    """Train, from where an earlier process was killed."""
    draws = rg.random.Generator(1)
    model = rg.nn.Sequential(
        rg.nn.Linear(20, 32, generator=draws),
        rg.nn.ReLU(),
        rg.nn.Dropout(0.3),
        rg.nn.Linear(32, 4, generator=draws),
    )
    log = Log(out / "steps", not loop)
    if loop:
        engine.unavailable = lambda: None
    optimizer = rg.optim.Adam(model, lr=0.01)
    trainer = Trainer(model, rg.nn.cross_entropy, optimizer, metrics=[metrics.accuracy], callbacks=[log])
    if (Path(folder) / "checkpoint.safetensors").exists():
        trainer.resume(folder)
    kept = {} if folder == "-" else {"directory": folder, "save_every": save_every}
    trainer.fit(*data(), EPOCHS, batch_size=10, validation=0.2, early_stopping=15, progress=False, **kept)
    result = {
        "weights": digests(model.state_dict()),
        "slots": digests(optimizer.state_dict()),
        "generator": rg.random.default_generator.array.tolist(),
        "history": trainer.history.to_json(),
        "seen": log.seen,
    }
    (out / "result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:])
