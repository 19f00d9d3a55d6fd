"""A run to be killed: `python program_fit.py FOLDER SAVE_EVERY OUT`; FOLDER `-` for a run that saves nothing."""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

import retrograd as rg
from retrograd.train import Callback, Trainer, metrics

EPOCHS, STEPS = 20, 640


class Log(Callback):
    """Writes every step down, and remembers their number over restarts."""

    def __init__(self, path):
        self.path, self.seen = path, 0

    def on_step_end(self, run, loss):
        self.seen += 1
        with self.path.open("a") as file:
            file.write(f"{run.steps}\n")

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


def main(folder, save_every, out):
    """Train, from where an earlier process was killed."""
    draws = rg.random.Generator(1)
    model = rg.nn.Sequential(
        rg.nn.Linear(20, 32, generator=draws),
        rg.nn.ReLU(),
        rg.nn.Dropout(0.3),
        rg.nn.Linear(32, 4, generator=draws),
    )
    log = Log(out / "steps")
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
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
