"""Runs that are killed: the resume law, Ctrl-C, and saves that are cut short, in processes of their own."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from retrograd.train import TrainedModel
from retrograd.train.tree_file import read_tree

HERE = Path(__file__).parent
STEPS = 640
"""Steps of `program_fit.py`: 20 epochs of 320 training rows, 10 at a time."""


def start(out, folder, save_every=1, *more):
    command = [sys.executable, str(HERE / "program_fit.py"), str(folder), str(save_every), str(out), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err


def steps(out):
    """The steps that were made, in the order in which they were."""
    path = out / "steps"
    return [int(n) for n in path.read_text().splitlines() if n] if path.exists() else []


def result(out):
    return json.loads((out / "result.json").read_text())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The result of the run that nobody kills."""
    out = tmp_path_factory.mktemp("whole")
    finish(start(out, "-"))
    assert steps(out) == list(range(1, STEPS + 1))
    return result(out)


def wait_for(process, out, count):
    while process.poll() is None and len(steps(out)) < count:
        time.sleep(0.01)


EVERY, SEEDS = (1, 50, 300), (1, 2, 3)


@pytest.mark.parametrize(
    "save_every, seed", [(3, 0), *(pytest.param(n, s, marks=pytest.mark.deep) for n in EVERY for s in SEEDS)]
)
def test_a_run_that_is_killed_at_random_ends_as_the_whole_one(tmp_path, whole, save_every, seed):
    chance, folder, kills = np.random.RandomState(seed), tmp_path / "run", 0
    for _ in range(3):
        process = start(tmp_path, folder, save_every)
        wait_for(process, tmp_path, len(steps(tmp_path)) + 1)
        time.sleep(chance.uniform(0.0, 0.3))
        process.kill()
        process.communicate()
        kills += process.returncode != 0
        done, saved = steps(tmp_path)[-1], read_tree(folder / "checkpoint.safetensors")["run"]["steps"]
        assert done - saved <= save_every
    finish(start(tmp_path, folder, save_every))
    assert kills
    assert result(tmp_path) == whole
    assert [p.name for p in folder.iterdir()] == ["checkpoint.safetensors"]


def test_ctrl_c_keeps_what_was_learned_and_the_run_goes_on(tmp_path, whole):
    process = start(tmp_path, tmp_path / "run", 1000)
    wait_for(process, tmp_path, 100)
    process.send_signal(signal.SIGINT)
    finish(process)
    assert result(tmp_path)["history"]["interrupted"]
    assert result(tmp_path)["history"]["stopped"].startswith("interrupted in epoch ")
    finish(start(tmp_path, tmp_path / "run", 1000))
    assert result(tmp_path) == whole
    assert steps(tmp_path) == list(range(1, STEPS + 1)), "nothing is done twice"


def test_ctrl_c_in_the_middle_of_a_compiled_loop(tmp_path):
    (tmp_path / "whole").mkdir()
    finish(start(tmp_path / "whole", "-", 1, "loop"))
    process = start(tmp_path, tmp_path / "run", 1000, "loop")
    wait_for(process, tmp_path, 10)
    process.send_signal(signal.SIGINT)
    finish(process)
    assert result(tmp_path)["history"]["interrupted"] and steps(tmp_path)[-1] < STEPS
    finish(start(tmp_path, tmp_path / "run", 1000, "loop"))
    whole, resumed = result(tmp_path / "whole"), result(tmp_path)
    assert whole.pop("seen") < STEPS and resumed.pop("seen") < STEPS, "more than one step at a time"
    assert resumed == whole


def test_a_save_that_is_killed_leaves_the_old_model_or_the_new_one(tmp_path):
    chance = np.random.RandomState(0)
    for _ in range(3):
        command = [sys.executable, str(HERE / "program_save.py"), str(tmp_path / "m")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.1 + chance.uniform(0, 0.2))
        process.kill()
        process.communicate()
        assert TrainedModel.load(tmp_path / "m").training["seed"] in (0, 1)
    left = [p.name for p in tmp_path.iterdir() if p.name != "m"]
    assert all(name.startswith(".m.tmp-") for name in left), left
