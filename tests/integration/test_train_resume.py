"""Runs that are killed: the resume law, Ctrl-C, and saves that are cut short, in processes of their own."""

import json
import random
import signal
import subprocess
import sys
import time

import pytest

PROGRAM = '''
import hashlib, json, sys
from pathlib import Path
import numpy as np
import retrograd as rg
from retrograd.train import Callback, Trainer, metrics

folder, save_every, out = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])

class Log(Callback):
    """Writes every step down, and remembers their number over restarts."""
    def __init__(self): self.seen = 0
    def on_fit_begin(self, run):
        with (out / "starts").open("a") as file: file.write(f"{run.steps}\\n")
    def on_step_end(self, run, loss):
        self.seen += 1
        with (out / "steps").open("a") as file: file.write(f"{run.steps}\\n")
    def on_epoch_end(self, run, values): run.optimizer.lr = run.optimizer.lr * 0.9
    def state_dict(self): return {"seen": self.seen}
    def load_state_dict(self, state): self.seen = state["seen"]

draw = np.random.RandomState(0)
y = np.arange(400) % 4
x = draw.normal(size=(400, 20)) + y[:, None] * draw.normal(size=20)
g = rg.random.Generator(1)
model = rg.nn.Sequential(rg.nn.Linear(20, 32, generator=g), rg.nn.ReLU(), rg.nn.Dropout(0.3), rg.nn.Linear(32, 4, generator=g))
log = Log()
trainer = Trainer(model, rg.nn.cross_entropy, rg.optim.Adam(model, lr=0.01), metrics=[metrics.accuracy], callbacks=[log])
arguments = dict(epochs=20, batch_size=10, validation=0.2, early_stopping=15, progress=False)
if folder.name == "none":
    trainer.fit(x, y, **arguments)
else:
    if (folder / "checkpoint.safetensors").exists():
        trainer.resume(folder)
    trainer.fit(x, y, **arguments, directory=folder, save_every=save_every)

def digest(arrays):
    return {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in arrays.items()}

result = {
    "weights": digest(model.state_dict()),
    "slots": digest(trainer.optimizer.state_dict()),
    "generator": rg.random.default_generator.array.tolist(),
    "history": trainer.history.to_json(),
    "seen": log.seen,
}
(out / "result.json").write_text(json.dumps(result))
'''


def start(tmp_path, folder, save_every=1):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder), str(save_every), str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    return out


def lines(path):
    return [int(n) for n in path.read_text().split()] if path.exists() else []


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The result of the run that nobody kills, and its steps."""
    out = tmp_path_factory.mktemp("whole")
    finish(start(out, out / "none"))
    assert lines(out / "steps") == list(range(1, 641))
    return json.loads((out / "result.json").read_text())


@pytest.mark.parametrize(
    "save_every, seed", [(3, 0), *(pytest.param(n, s, marks=pytest.mark.deep) for n in (1, 50, 300) for s in (1, 2, 3, 4))]
)
def test_a_run_that_is_killed_at_random_ends_as_the_whole_one(tmp_path, whole, save_every, seed):
    chance, folder, kills = random.Random(seed), tmp_path / "run", 0
    while True:
        before = len(lines(tmp_path / "steps"))
        process = start(tmp_path, folder, save_every)
        while kills < 3 and process.poll() is None and len(lines(tmp_path / "steps")) <= before:
            time.sleep(0.01)
        if kills < 3:
            time.sleep(chance.uniform(0.0, 0.3))
        if kills == 3 or process.poll() is not None:
            finish(process)
            break
        process.kill()
        process.communicate()
        kills += 1
        _redoes_little(tmp_path, folder, save_every)
    assert kills >= 1
    assert json.loads((tmp_path / "result.json").read_text()) == whole
    assert [p.name for p in folder.iterdir()] == ["checkpoint.safetensors"]


def _redoes_little(tmp_path, folder, save_every):
    from retrograd.train.tree_file import read_tree

    saved = read_tree(folder / "checkpoint.safetensors")["run"]["steps"]
    assert lines(tmp_path / "steps")[-1] - saved <= save_every


def test_ctrl_c_keeps_what_was_learned_and_the_run_goes_on(tmp_path, whole):
    process = start(tmp_path, tmp_path / "run", 1000)
    while process.poll() is None and len(lines(tmp_path / "steps")) < 100:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    finish(process)
    cut = json.loads((tmp_path / "result.json").read_text())
    assert cut["history"]["interrupted"] and cut["history"]["stopped"].startswith("interrupted in epoch ")
    finish(start(tmp_path, tmp_path / "run", 1000))
    assert json.loads((tmp_path / "result.json").read_text()) == whole
    assert lines(tmp_path / "steps") == list(range(1, 641)), "nothing is done twice"


SAVER = '''
import sys
from pathlib import Path
import numpy as np, pandas as pd
from retrograd.data import Table, prepare
from retrograd.train.tabular import Settings, train_table
frame = pd.DataFrame({"a": np.arange(40.0) % 7, "b": np.arange(40.0) % 5, "y": ["p", "q"] * 20})
models = [
    train_table(prepare(Table(frame, "y", "t")), Settings(epochs=1, seed=n, hidden=(200, 300)), source=str(n), progress=False).model
    for n in (0, 1)
]
print("ready", flush=True)
while True:
    for model in models:
        model.save(sys.argv[1], replace=True)
'''


def test_a_save_that_is_killed_leaves_the_old_model_or_the_new_one(tmp_path):
    from retrograd.train import TrainedModel

    chance, seen = random.Random(0), set()
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", SAVER, str(tmp_path / "m")], stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.1 + chance.uniform(0, 0.2))
        process.kill()
        process.communicate()
        seen.add(TrainedModel.load(tmp_path / "m").training["source"])
    assert seen <= {"0", "1"}
    left = [p.name for p in tmp_path.iterdir() if p.name != "m"]
    assert all(name.startswith(".m.tmp-") for name in left), left
