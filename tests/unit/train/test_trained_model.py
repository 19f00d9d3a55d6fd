"""A model folder reads back bit for bit, replaces nothing else, and a damaged one is refused in one line."""

import contextlib
import copy
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrograd.data import Table, prepare
from retrograd.errors import ModelError
from retrograd.train import TrainedModel
from retrograd.train.tabular import Settings, train_table
from retrograd.train.trained_model import shares


def table(regression=False):
    draw = np.random.RandomState(0)
    size, hue = draw.normal(size=60), draw.choice(["red", "green"], 60)
    target = 3 * size + (hue == "red") if regression else np.where(size > 0, "big", "small")
    return Table(pd.DataFrame({"size": size, "hue": hue, "y": target}), "y", "things")


@pytest.fixture(scope="module", params=[False, True], ids=["classes", "amounts"])
def outcome(request):
    return train_table(prepare(table(request.param)), Settings(epochs=5, hidden=(8,)), source="things", progress=False)


@pytest.fixture(scope="module")
def rows(outcome):
    return table(outcome.model.preprocessor.task == "regression").frame


def test_it_reads_back(outcome, rows, tmp_path):
    outcome.model.save(tmp_path / "m")
    again = TrainedModel.load(tmp_path / "m")
    inputs = again.preprocessor.transform(rows)
    np.testing.assert_array_equal(again.outputs(inputs), outcome.outputs)
    np.testing.assert_array_equal(again.predict(rows), outcome.model.predict(rows))
    assert again.history == outcome.model.history
    assert again.training == outcome.model.training
    assert again.preprocessor == outcome.model.preprocessor
    assert again.widths == (3, 8, len(again.preprocessor.classes) or 1)
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == ["model.json", "model.safetensors"]
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_the_description_is_plain_json_with_a_record_for_people(outcome, tmp_path):
    outcome.model.save(tmp_path / "m")
    saved = json.loads((tmp_path / "m" / "model.json").read_text())
    assert saved["layers"][0] == {"layer": "Linear", "in_features": 3, "out_features": 8, "bias": True}
    assert saved["training"]["source"] == "things" and saved["training"]["rows"]["train"] == 42
    assert saved["training"]["hidden"] == [8] and saved["training"]["test"] == outcome.scores


def test_probabilities(outcome, rows):
    if outcome.model.preprocessor.task == "regression":
        with pytest.raises(ModelError, match="gives amounts, not probabilities"):
            outcome.model.probabilities(rows)
        return
    found = outcome.model.probabilities(rows)
    assert found.dtype == np.float32 and found.shape == (60, 2)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-6)
    labels = np.array(outcome.model.preprocessor.classes)[found.argmax(1)]
    np.testing.assert_array_equal(labels, outcome.model.predict(rows))


def test_shares_of_huge_scores():
    with np.errstate(all="raise", under="ignore"):
        np.testing.assert_array_equal(shares(np.array([[1e30, 0.0], [-1e30, -1e30]])), [[1, 0], [0.5, 0.5]])


def test_only_a_model_folder_is_ever_replaced(outcome, tmp_path):
    outcome.model.save(tmp_path / "m")
    first = (tmp_path / "m" / "model.json").stat().st_ino
    with pytest.raises(ModelError, match="holds a model already: choose another name, or replace it with --force"):
        outcome.model.save(tmp_path / "m")
    assert (tmp_path / "m" / "model.json").stat().st_ino == first
    outcome.model.save(tmp_path / "m", replace=True)
    assert (tmp_path / "m" / "model.json").stat().st_ino != first
    (tmp_path / "m" / "notes.txt").write_text("mine")
    for replace in (True, False):
        with pytest.raises(
            ModelError, match="is there and is no model folder: choose another name; it is left as it is"
        ):
            outcome.model.save(tmp_path / "m", replace=replace)
    assert (tmp_path / "m" / "notes.txt").read_text() == "mine"
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "m")
    for name in ("file", "link"):
        with pytest.raises(ModelError, match="is no model folder"):
            outcome.model.save(tmp_path / name, replace=True)


def test_a_failed_save_leaves_nothing(outcome, tmp_path):
    broken = TrainedModel(outcome.model.network, outcome.model.preprocessor, {"value": float("nan")})
    with pytest.raises(ValueError):
        broken.save(tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


# Damaged folders ------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(outcome, tmp_path):
    outcome.model.save(tmp_path / "m")
    return tmp_path / "m"


def refused(folder):
    with pytest.raises(ModelError) as caught:
        TrainedModel.load(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_no_folder(tmp_path, folder):
    assert refused(tmp_path / "x") == f"there is no model folder {str(tmp_path / 'x')!r}"
    assert refused(tmp_path / "x" / "y") == f"there is no model folder {str(tmp_path / 'x' / 'y')!r}"
    (tmp_path / "digits-model").mkdir()
    (tmp_path / "digits-model" / "model.json").write_text("{}")
    assert refused(tmp_path / "digit-model").endswith(f"; did you mean {str(tmp_path / 'digits-model')!r}?")
    assert "it has no model.json" in refused(tmp_path)
    assert "it has no model.json" in refused(folder / "model.json")
    (folder / "model.safetensors").unlink()
    assert "model.safetensors' cannot be read: No such file" in refused(folder)


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_every_truncation_is_refused(folder, name):
    content = (folder / name).read_bytes()
    for length in range(0, len(content) - 1, max(1, len(content) // 100)):
        (folder / name).write_bytes(content[:length])
        refused(folder)


def test_every_changed_byte_of_the_weights_is_refused(folder):
    content = (folder / "model.safetensors").read_bytes()
    for place in range(0, len(content), max(1, len(content) // 100)):
        changed = bytearray(content)
        changed[place] ^= 0x41
        (folder / "model.safetensors").write_bytes(changed)
        assert "is damaged, or of another model" in refused(folder)
    (folder / "model.safetensors").write_bytes(content + b"\0")
    refused(folder)


SETTINGS = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@SETTINGS
@given(st.data())
def test_a_changed_byte_of_the_description_never_crashes(folder, rows, data):
    content = bytearray((folder / "model.json").read_bytes())
    original = bytes(content)
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (folder / "model.json").write_bytes(content)
    loads_or_refuses(folder)
    (folder / "model.json").write_bytes(original)


def loads_or_refuses(folder):
    with contextlib.suppress(ModelError):
        TrainedModel.load(folder)


def places(tree, path=()):
    yield path
    inside = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in inside:
        yield from places(value, (*path, key))


STRANGE = [None, True, -1, 0, 1e308, 10**30, "", "x", [], {}, [[]], [1], {"kind": "numeric"}, ["a", "b"], "nan"]


@SETTINGS
@given(st.data())
def test_a_strange_value_anywhere_in_the_description_never_crashes(folder, data):
    tree = json.loads((folder / "model.json").read_text())
    original = json.dumps(tree)
    path = data.draw(st.sampled_from(list(places(tree))[1:]))
    changed = copy.deepcopy(tree)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    if data.draw(st.booleans()):
        inner[path[-1]] = data.draw(st.sampled_from(STRANGE))
    else:
        del inner[path[-1]]
    (folder / "model.json").write_text(json.dumps(changed))
    loads_or_refuses(folder)
    (folder / "model.json").write_text(original)


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "[]", "{}", '"text"', "NaN", "[" * 100_000, '{"a":' * 100_000, "1" * 5000, "\0", "\udcff"],
)
def test_hostile_json(folder, text):
    (folder / "model.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    refused(folder)


def test_other_versions_and_formats(folder):
    saved = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(saved | {"version": 2}))
    assert "is of version 2; version 1 can be read" in refused(folder)
    (folder / "model.json").write_text(json.dumps(saved | {"format": "onnx"}))
    assert "its format is not 'retrograd.model'" in refused(folder)


def test_a_preprocessor_of_another_width(folder):
    saved = json.loads((folder / "model.json").read_text())
    saved["preprocessor"]["columns"] = saved["preprocessor"]["columns"][:1]
    (folder / "model.json").write_text(json.dumps(saved))
    assert "the preprocessor wants" in refused(folder)
