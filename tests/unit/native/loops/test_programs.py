"""Loop programs by hand: what they say, what they do, what is refused."""

import numpy as np
import pytest

from retrograd.native.loops.interpret import interpret
from retrograd.native.loops.ir import (
    ArgMax,
    Buffer,
    Check,
    Counter,
    Expr,
    If,
    Loop,
    LoopProgram,
    Matrices,
    Nest,
    Reduce,
    Scatter,
    Store,
    View,
    While,
    constant,
    load,
    row_major,
)
from retrograd.native.loops.text import print_loops
from retrograd.native.loops.verify import LoopDefect, verify

F, I, B = np.dtype("float64"), np.dtype("int64"), np.dtype("bool")


def view(buffer, shape, **changes):
    return View(buffer, buffer.dtype, shape, changes.pop("strides", row_major(shape)), **changes)


def add(a, b):
    return Expr("add", a.dtype, (a, b))


def program(body, inputs=(), outputs=(), buffers=(), counters=(), errors=()):
    made = LoopProgram(list(inputs), list(outputs), list(body), list(buffers), list(counters), list(errors))
    return verify(made)


def scaled_sums():
    """Rows of a matrix plus a vector, their sums, and the largest of all."""
    x, v = Buffer(F, 6, "input", 0), Buffer(F, 3, "input", 1)
    out, sums, top = (Buffer(F, n, "output", i) for i, n in enumerate((6, 2, 1)))
    space = (2, 3)
    total = add(load(view(x, space)), load(view(v, space, strides=(0, 1))))
    nest = Nest(
        space,
        [Store(view(out, space), total)],
        [
            Reduce(view(sums, space, strides=(1, 0)), "add", total, (False, True)),
            Reduce(view(top, space, strides=(0, 0)), "maximum", total, (True, True)),
        ],
    )
    return program([nest], [x, v], [out, sums, top])


def test_text():
    assert print_loops(scaled_sums()) == (
        "input  in0: f64[6]\n"
        "input  in1: f64[3]\n"
        "output out0: f64[6]\n"
        "output out1: f64[2]\n"
        "output out2: f64[1]\n"
        "for i < 2, j < 3:\n"
        "  %2: f64 = add(in0[3*i + j], in1[j])\n"
        "  out0[3*i + j] = %2\n"
        "  out1[i] = add of %2\n"
        "  out2[0] = maximum of %2"
    )


def test_nests_compute_store_and_reduce():
    x, v = np.arange(6.0).reshape(2, 3), np.array([0.5, 0.0, -9.0])
    out, sums, top = interpret(scaled_sums(), [x, v])
    np.testing.assert_array_equal(out.reshape(2, 3), x + v)
    np.testing.assert_array_equal(sums, (x + v).sum(1))
    np.testing.assert_array_equal(top, (x + v).max())


def test_products_with_what_follows():
    a, b, out = Buffer(F, 6, "input", 0), Buffer(F, 12, "input", 1), Buffer(F, 8, "output", 0)
    product = Matrices(view(a, (2, 3)), view(b, (3, 4)), 3)
    nest = Nest((2, 4), [Store(view(out, (2, 4)), add(Expr("product", F), constant(1.0, F)))], product=product)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 3)), rng.normal(size=(3, 4))
    (found,) = interpret(program([nest], [a, b], [out]), [x, y])
    np.testing.assert_allclose(found.reshape(2, 4), x @ y + 1)


def counted(backwards):
    """The counter of each iteration, in the order of the iterations, and their sum."""
    out, n, at = Buffer(I, 4, "output", 0), Counter(0), Buffer(I, 1, "arena")
    here = Expr("counter", I, (), n)
    body = [
        Scatter((), view(out, ()), load(view(at, ())), here, []),
        Nest((), [Store(view(at, ()), add(load(view(at, ())), constant(1, I)))]),
    ]
    return program([Loop(n, 4, backwards, body)], (), [out], [at], [n])


@pytest.mark.parametrize("backwards, wanted", [(False, [0, 1, 2, 3]), (True, [3, 2, 1, 0])])
def test_loops_count(backwards, wanted):
    assert interpret(counted(backwards), [])[0].tolist() == wanted


def test_while_and_if():
    x, flag, out = Buffer(I, 1, "input", 0), Buffer(B, 1, "arena"), Buffer(I, 1, "output", 0)
    one, place = view(flag, ()), view(out, ())
    small = Expr("less", B, (load(place), constant(10, I)))
    start = Nest((), [Store(place, load(view(x, ())))])
    grow = Nest((), [Store(place, add(load(place), load(place)))])
    down = Nest((), [Store(place, Expr("negative", I, (load(place),)))])
    test = [Nest((), [Store(one, small)])]
    odd = [Nest((), [Store(one, Expr("greater", B, (load(place), constant(12, I))))]), If(one, [down], [grow])]
    made = program([start, While(test, one, [grow]), *odd], [x], [out], [flag])
    assert [int(interpret(made, [np.array(n)])[0][0]) for n in (1, 3, 5, 11)] == [-16, 24, 20, 22]
    assert "repeat:" in print_loops(made)
    assert "else:" in print_loops(made)


def test_checks_name_the_first_bad_point():
    x, out = Buffer(I, 4, "input", 0), Buffer(I, 4, "output", 0)
    value = load(view(x, (4,)))
    check = Check(Expr("less", B, (value, constant(0, I))), value, 0)
    made = program(
        [Nest((4,), [Store(view(out, (4,)), value)], checks=[check])], [x], [out], errors=[lambda v: IndexError(v)]
    )
    assert interpret(made, [np.arange(4)])[0].tolist() == [0, 1, 2, 3]
    with pytest.raises(IndexError, match="-7"):
        interpret(made, [np.array([1, -7, 2, -9])])


def test_argmax_takes_the_first():
    x, out = Buffer(F, 6, "input", 0), Buffer(I, 2, "output", 0)
    made = program([ArgMax(view(x, (2, 3)), view(out, (2,)))], [x], [out])
    assert interpret(made, [np.array([[1, 2, 2], [np.nan, 5, np.nan]])])[0].tolist() == [1, 0]


def test_inputs_are_not_written_to_where_outputs_lie_in_them():
    x = Buffer(F, 2, "input", 0)
    out = Buffer(F, 2, "output", 0, alias=x)
    made = program([Nest((2,), [Store(view(out, (2,)), add(load(view(x, (2,))), constant(1.0, F)))])], [x], [out])
    given = np.zeros(2)
    assert interpret(made, [given])[0].tolist() == [1, 1]
    assert given.tolist() == [0, 0]


# Defects --------------------------------------------------------------------------------------------------------------

X, OUT = Buffer(F, 4, "input", 0), Buffer(F, 4, "output", 0)
SPACE = (4,)


def nest(value=None, at=None, space=SPACE, **more):
    return Nest(space, [Store(at or view(OUT, space), value or load(view(X, space)))], **more)


DEFECTS = {
    "reaches outside": nest(load(view(X, SPACE, offset=1))),
    "before the beginning": nest(load(view(X, SPACE, strides=(-1,), offset=2))),
    "a counter outside its loop": nest(load(view(X, SPACE, strides=(0,), terms=((Counter(0), 1),)))),
    "a counter that goes too far": Loop(n := Counter(0), 5, False, [nest(load(view(X, SPACE, strides=(0,), terms=((n, 1),))))]),
    "no memory": nest(at=View(None, F, SPACE, (1,))),
    "another dtype": nest(at=View(OUT, I, SPACE, (1,)), value=constant(1, I)),
    "a store of another dtype": nest(constant(1, I)),
    "a load as another dtype": nest(Expr("load", F, (), View(X, I, SPACE, (1,)))),
    "operands of two dtypes": nest(Expr("add", F, (load(view(X, SPACE)), constant(1, I)))),
    "a comparison that is no bool": nest(Expr("less", F, (constant(1.0, F), constant(2.0, F)))),
    "a condition that is no bool": nest(Expr("where", F, (constant(1.0, F), constant(1.0, F), constant(2.0, F)))),
    "another space": nest(load(view(X, (2,)))),
    "an error that is not there": nest(checks=[Check(constant(True, B), constant(1, I), 0)]),
    "a reduction into several places": Nest(SPACE, [], [Reduce(view(OUT, SPACE), "add", load(view(X, SPACE)), (True,))]),
}  # fmt: skip


@pytest.mark.parametrize("name", DEFECTS)
def test_defects_are_found(name):
    with pytest.raises(LoopDefect):
        program([DEFECTS[name]], [X], [OUT])


def test_a_sound_nest_is_none():
    program([nest()], [X], [OUT])
