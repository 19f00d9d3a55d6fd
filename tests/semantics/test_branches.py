"""Branches and counts that are not known: what every mode does alike."""

import numpy as np
import pytest

import retrograd as rg
from retrograd.errors import MissingRule, RetrogradError, ShapeError
from tests.semantics.ways import LOOP_WAYS, loop_ways, nearly, same


@pytest.mark.parametrize("mode", ["eager", "debug"])
def test_reverse_through_a_count_that_is_not_known_raises_in_every_mode(mode):
    way, x = LOOP_WAYS[mode], np.array([0.5, 1.5])
    loops = (
        lambda x: rg.while_loop(lambda v: rg.sum(v) < 10, lambda v: v * 2.0, x),
        lambda x: rg.fori_loop(0, rg.tensor(3), lambda _, v: v * 2.0, x),
    )
    for loop in loops:
        with pytest.raises(MissingRule, match="max_iterations"):
            way(rg.grad(lambda x, loop=loop: rg.sum(loop(x))))(x)
        leaf = rg.tensor(x, requires_grad=True)
        with pytest.raises(MissingRule, match="max_iterations"):
            way(lambda leaf=leaf, loop=loop: rg.sum(loop(leaf)).backward())()
        same(way(lambda x, loop=loop: rg.jvp(loop, (x,), (x,))[1])(x), 8 * x)
    known = lambda x: rg.sum(rg.fori_loop(0, 3, lambda _, v: v * 2.0, x))
    same(way(rg.grad(known))(x), np.full(2, 8.0))


@loop_ways
def test_numbers_take_the_dtype_of_the_other_arm(way):
    x = rg.tensor(2.0)
    for arms in ((lambda v: 0.0, lambda v: v), (lambda v: v, lambda v: 0)):
        for yes in (True, False):
            found = way(lambda p, v, arms=arms: rg.cond(p, *arms, v))(rg.asarray(yes), x)
            assert way is LOOP_WAYS["debug"] or found.dtype == np.float32  # there it is the number itself
            assert float(found) == (2.0 if yes == (arms[0](x) is x) else 0.0)
    same(way(rg.grad(lambda v: rg.cond(v > 0, lambda v: v * v, lambda v: 0.0, v)))(x), np.float32(4.0))
    same(way(rg.grad(lambda v: rg.cond(v > 0, lambda v: v * v, lambda v: 0.0, v)))(-x), np.float32(0.0))
    assert way(lambda p: rg.cond(p, lambda: 1, lambda: 0.5))(rg.asarray(True)) == 1.0
    if way is LOOP_WAYS["debug"]:
        return
    with pytest.raises(ShapeError, match="arms of cond differ"):
        way(lambda v: rg.cond(v > 0, lambda v: 0.5, lambda v: rg.tensor(1), v))(x)
    with pytest.raises(ShapeError, match="arms of cond differ"):
        way(lambda v: rg.cond(v > 0, lambda v: 0.0, lambda v: rg.stack([v, v]), v))(x)


@loop_ways
def test_keys_of_the_arms_may_come_in_another_order(way):
    pick = lambda p: rg.cond(p, lambda: {"a": 1, "b": 2.0}, lambda: {"b": 3.0, "a": 4})
    found = [way(pick)(rg.asarray(p)) for p in (True, False)]
    assert [(int(f["a"]), float(f["b"])) for f in found] == [(1, 2.0), (4, 3.0)]
    if way is LOOP_WAYS["debug"]:
        return
    with pytest.raises(RetrogradError, match="different structures"):
        way(lambda p: rg.cond(p, lambda: {"a": 1}, lambda: {"b": 1}))(rg.asarray(True))


@loop_ways
@pytest.mark.parametrize("outer", [True, False])
@pytest.mark.parametrize("inner", [True, False])
def test_a_cell_gets_its_first_value_only_sometimes(way, outer, inner):
    """In an arm of an arm, as in plain Python; in the other arm always, or never."""
    for other in ("never", "always"):
        p = rg.Parameter(np.ones(2))

        def run(a, b, other=other, p=p):
            assign = lambda: (rg.sum(p * 2.0).backward(), 0)[1]
            nested = lambda: rg.cond(b, assign, lambda: 0)
            return rg.cond(a, nested, assign if other == "always" else lambda: 0)

        way(run)(rg.asarray(outer), rg.asarray(inner))
        assigned = inner if outer else other == "always"
        assert (p.grad is None) == (not assigned)
        if assigned:
            same(p.grad, np.full(2, 2.0))


def test_lanes_that_do_not_take_an_arm_do_not_spoil_what_it_shares():
    f = lambda w, x: rg.cond(x > 0, lambda x: w * rg.log(x), lambda x: w * rg.sqrt(-x), x)
    x = np.array([2.0, -4.0, 3.0])
    for way in (LOOP_WAYS["eager"], LOOP_WAYS["jit"]):
        total = way(rg.grad(lambda w, xs: rg.sum(rg.vmap(lambda x: f(w, x))(xs))))
        nearly(total(1.0, x), np.log(6.0) + 2.0)
        nearly(total(1.0, -x[1:2]), np.log(4.0))
        nearly(total(1.0, np.zeros(0)), np.float64(0.0))
        nearly(way(rg.vmap(rg.grad(f), in_axes=(None, 0)))(1.0, x), np.array([np.log(2.0), 2.0, np.log(3.0)]))
