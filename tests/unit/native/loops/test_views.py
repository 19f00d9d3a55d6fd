"""Views move as NumPy's arrays do."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from retrograd.native.loops import views
from retrograd.native.loops.ir import Buffer, Constant, Counter, View, row_major

INT = np.dtype("int64")


def whole(shape):
    n = int(np.prod(shape))
    return View(Buffer(INT, max(n, 1), "arena"), INT, tuple(shape), row_major(shape)), np.arange(n).reshape(shape)


def numbers(view):
    """Which elements of its buffer a view shows."""
    found = np.full(view.shape, view.offset)
    for d, s in enumerate(view.strides):
        found = found + (np.arange(view.shape[d]) * s).reshape(-1, *(1,) * (len(view.shape) - d - 1))
    return found.reshape(view.shape)


@st.composite
def moves(draw):
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=3)))
    return shape, draw(
        st.lists(
            st.tuples(st.sampled_from(["transpose", "part", "broadcast", "reshape"]), st.integers(0, 2**32)), max_size=5
        )
    )


@settings(max_examples=300)
@given(moves())
def test_any_chain_of_movements(program):
    shape, steps = program
    view, array = whole(shape)
    for kind, seed in steps:
        rng = np.random.default_rng(seed)
        if kind == "transpose":
            axes = tuple(rng.permutation(array.ndim).tolist())
            view, array = views.transpose(view, axes), array.transpose(axes)
        elif kind == "part":
            starts, lengths, strides, key = [], [], [], []
            for n in array.shape:
                step = int(rng.choice([1, 2, -1]))
                piece = range(n)[::step][int(rng.integers(0, 2)) :]
                starts.append(piece.start if len(piece) else 0)
                lengths.append(len(piece))
                strides.append(step)
                key.append(slice(piece.start, piece.stop if piece.stop >= 0 else None, step) if piece else slice(0))
            view = views.part(view, starts, lengths, strides)
            array = array[tuple(key)]
        elif kind == "broadcast":
            new = (2, *[3 if n == 1 else n for n in array.shape])
            if len(new) > 4:
                continue
            view, array = views.broadcast(view, new), np.broadcast_to(array, new)
        else:
            new = (array.size,) if rng.integers(2) or array.size % 2 else (2, array.size // 2)
            moved = views.reshape(view, new)
            if moved is None:
                assert not np.shares_memory(array, array.reshape(new))
                continue
            view, array = moved, array.reshape(new)
        assert view.shape == array.shape
        if array.size:
            np.testing.assert_array_equal(numbers(view), array)


def test_rows_follow_a_counter():
    view, _ = whole((3, 4))
    n = Counter(0)
    row = views.row(view, n)
    assert (row.shape, row.strides, row.terms) == ((4,), (1,), ((n, 4),))
    assert views.row(views.broadcast(whole((4,))[0], (3, 4)), n).terms == ()


def test_constants_only_change_their_shape():
    c = Constant(2.0, np.dtype("float64"))
    assert views.transpose(views.broadcast(c, (2, 3)), (1, 0)).shape == (3, 2)
    assert views.reshape(c, (1, 1)).shape == (1, 1)
    assert views.row(views.broadcast(c, (2, 3)), Counter(0)).shape == (3,)
