"""Trees in a file read back bit for bit, and a damaged file is refused in one line."""

import contextlib
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from retrograd.errors import ModelError, RetrogradError
from retrograd.train.tree_file import read_tree, write_tree


def same(a, b):
    """Equal in type and bits."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return repr(a) == repr(b)


TREE = {
    "numbers": [1, -(2**70), 0.1, math.nan, math.inf, -math.inf, True, None],
    "text": 'ä\n"',
    "nested": {"empty": {}, "list": [[], {}], "x": np.arange(6, dtype=np.float32).reshape(2, 3)},
    "scalar": np.array(3, np.uint64),
    "none": np.zeros((0, 4)),
    "turned": np.arange(6.0).reshape(2, 3).T,
    "flags": np.array([True, False]),
}


def test_a_tree_reads_back(tmp_path):
    write_tree(tmp_path / "t", TREE)
    assert same(read_tree(tmp_path / "t"), TREE)
    assert [p.name for p in tmp_path.iterdir()] == ["t"]


def test_arrays_are_fresh_and_writable(tmp_path):
    write_tree(tmp_path / "t", TREE)
    assert read_tree(tmp_path / "t")["nested"]["x"].flags.writeable


def test_tuples_become_lists_and_numpy_numbers_plain(tmp_path):
    write_tree(tmp_path / "t", {"a": (1, np.float64(2.5)), "b": np.int64(3)})
    assert same(read_tree(tmp_path / "t"), {"a": [1, 2.5], "b": 3})


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
trees = st.recursive(
    leaves, lambda t: st.lists(t, max_size=3) | st.dictionaries(st.text().filter(lambda k: k[:1] != "$"), t, max_size=3)
)


@given(st.dictionaries(st.sampled_from("abc"), trees))
def test_any_tree_reads_back(tmp_path_factory, tree):
    path = tmp_path_factory.mktemp("trees") / "t"
    write_tree(path, tree)
    assert same(read_tree(path), tree)


@pytest.mark.parametrize("value", [{1: 2}, {"$array": "x"}, object(), {"a": {2}}, 1j, np.array(["text"], object)])
def test_what_a_file_cannot_hold(tmp_path, value):
    with pytest.raises(RetrogradError, match=r"value.* of a checkpoint is a"):
        write_tree(tmp_path / "t", {"value": value})
    assert list(tmp_path.iterdir()) == []


def test_every_truncation_is_refused(tmp_path):
    path = tmp_path / "t"
    write_tree(path, TREE)
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(ModelError, match="is damaged, or no checkpoint of retrograd"):
            read_tree(path)


@given(st.data())
def test_a_changed_byte_never_crashes(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("flips") / "t"
    write_tree(path, TREE)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with contextlib.suppress(ModelError):
        read_tree(path)


def header(text):
    return save({"x": np.zeros(1)}, metadata={"retrograd": text})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a file",
        save({"x": np.zeros(1)}),
        header("no json"),
        header("[1]"),
        header(json.dumps({"a": {"$array": "y"}})),
        header(json.dumps({"a": {"$array": [1]}})),
        header(json.dumps({"a": {"$float": "one"}})),
        header('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}"),
        (2**62).to_bytes(8, "little") + b"{}",
    ],
)
def test_hostile_files_are_refused(tmp_path, content):
    (tmp_path / "t").write_bytes(content)
    with pytest.raises(ModelError, match="is damaged, or no checkpoint of retrograd"):
        read_tree(tmp_path / "t")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ModelError, match="cannot be read: No such file"):
        read_tree(tmp_path / "t")
