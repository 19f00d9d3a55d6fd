"""Each pass on small graphs, by text: what it does, and what it leaves alone."""

import numpy as np
import pytest

from retrograd.graph.interpret import evaluate
from retrograd.graph.text import parse_graph, print_graph
from retrograd.graph.verify import verify
from retrograd.passes.borders import narrow_borders
from retrograd.passes.canonicalise import canonicalise
from retrograd.passes.common import join_common
from retrograd.passes.dead import drop_dead
from retrograd.passes.fold import fold
from retrograd.passes.hoist import hoist
from retrograd.passes.inline import inline_calls
from retrograd.passes.stable import stabilise


def clean(text):
    """A graph's text as it is printed."""
    return print_graph(parse_graph(text))


def after(apply, text):
    """What a pass makes of a graph, without what is dead then."""
    return print_graph(drop_dead(verify(apply(parse_graph(text)))))


def f32(body, inputs="a: f32[3], b: f32[3]"):
    return f"graph({inputs}) {{ {body} }}"


EXACT = {
    "x * 1": ("c: f32[3] = multiply(a, 1.0) return c", "return a"),
    "1 * x": ("c: f32[3] = multiply(1:f32, a) return c", "return a"),
    "x / 1": ("c: f32[3] = divide(a, 1) return c", "return a"),
    "x ** 1": ("c: f32[3] = integer_power[n=1](a) return c", "return a"),
    "x + -0.0": ("c: f32[3] = add(a, -0.0) return c", "return a"),
    "x - 0.0": ("c: f32[3] = subtract(a, 0.0) return c", "return a"),
    "-(-x)": ("c: f32[3] = negative(a) d: f32[3] = negative(c) return d", "return a"),
    "a + (-b)": ("c: f32[3] = negative(b) d: f32[3] = add(a, c) return d", "c: f32[3] = subtract(a, b) return c"),
    "(-a) + b": ("c: f32[3] = negative(a) d: f32[3] = add(c, b) return d", "c: f32[3] = subtract(b, a) return c"),
    "a - (-b)": ("c: f32[3] = negative(b) d: f32[3] = subtract(a, c) return d", "c: f32[3] = add(a, b) return c"),
    "x / 8": ("c: f32[3] = divide(a, 8) return c", "c: f32[3] = multiply(a, 0.125) return c"),
    "x / -0.5": ("c: f32[3] = divide(a, -0.5:f32) return c", "c: f32[3] = multiply(a, -2.0:f32) return c"),
    "where": ("c: bool[3] = less(a, b) d: f32[3] = where(c, a, a) return d", "return a"),
    "stop_gradient": ("c: f32[3] = stop_gradient(a) return c", "return a"),
    "convert": ("c: f32[3] = convert[dtype=f32](a) return c", "return a"),
    "there and back": ("c: f64[3] = convert[dtype=f64](a) d: f32[3] = convert[dtype=f32](c) return d", "return a"),
    "broadcast operand": (
        "c: f32[2,3] = broadcast[shape=(2, 3)](a) d: f32[2,3] = exp(c) e: f32[2,3] = broadcast[shape=(2, 3)](b) "
        "f: f32[2,3] = add(d, e) return f",
        "c: f32[2,3] = broadcast[shape=(2, 3)](a) d: f32[2,3] = exp(c) e: f32[2,3] = add(d, b) return e",
    ),
    "stretched number": (
        "c: f32[3] = broadcast[shape=(3,)](2.0:f32) d: f32[3,1] = reshape[shape=(3, 1)](c) "
        "e: f32[1,3] = reshape[shape=(1, 3)](a) f: f32[3,3] = broadcast[shape=(3, 3)](e) g: f32[3,3] = exp(f) "
        "h: f32[3,3] = multiply(g, d) return h",
        "c: f32[3,3] = broadcast[shape=(3, 3)](a) d: f32[3,3] = exp(c) e: f32[3,3] = multiply(d, 2.0:f32) return e",
    ),
    "of stretched numbers": (
        "c: f32 = sum[axes=(0,), keepdims=False](a) d: f32[4] = broadcast[shape=(4,)](c) e: f32[4] = exp(d) "
        "f: f32[4] = broadcast[shape=(4,)](0.5:f32) g: f32[4] = multiply(e, f) return g",
        "c: f32 = sum[axes=(0,), keepdims=False](a) d: f32 = exp(c) e: f32 = multiply(d, 0.5:f32) "
        "f: f32[4] = broadcast[shape=(4,)](e) return f",
    ),
    "functions of stretched numbers": (
        "c: f32 = sum[axes=(0,), keepdims=False](a) d: f32[4] = broadcast[shape=(4,)](c) e: f32[4] = negative(d) "
        "f: f64[4] = convert[dtype=f64](e) return f",
        "c: f32 = sum[axes=(0,), keepdims=False](a) d: f32 = negative(c) e: f64 = convert[dtype=f64](d) "
        "f: f64[4] = broadcast[shape=(4,)](e) return f",
    ),
    "reshapes": (
        "c: f32[3,1] = reshape[shape=(3, 1)](a) d: f32[1,3] = reshape[shape=(1, 3)](c) return d",
        "c: f32[1,3] = reshape[shape=(1, 3)](a) return c",
    ),
    "reshape back": ("c: f32[3,1] = reshape[shape=(3, 1)](a) d: f32[3] = reshape[shape=(3,)](c) return d", "return a"),
    "transposes": (
        "c: f32[3,3] = broadcast[shape=(3, 3)](a) d: f32[3,3] = transpose[axes=(1, 0)](c) "
        "e: f32[3,3] = transpose[axes=(1, 0)](d) return e",
        "c: f32[3,3] = broadcast[shape=(3, 3)](a) return c",
    ),
    "transpose of a column": (
        "c: f32[3,1] = reshape[shape=(3, 1)](a) d: f32[1,3] = transpose[axes=(1, 0)](c) return d",
        "c: f32[1,3] = reshape[shape=(1, 3)](a) return c",
    ),
    "slice of everything": ("c: f32[3] = slice[starts=(0,), lengths=(3,), steps=(1,)](a) return c", "return a"),
    "slices": (
        "c: f32[3] = slice[starts=(2,), lengths=(3,), steps=(-1,)](a) "
        "d: f32[2] = slice[starts=(0,), lengths=(2,), steps=(2,)](c) return d",
        "c: f32[2] = slice[starts=(2,), lengths=(2,), steps=(-2,)](a) return c",
    ),
    "sum over nothing": (
        "c: f32[3] = sum[axes=(), keepdims=False](a) return c",
        "c: f32[3] = add(a, 0.0:f32) return c",
    ),
    "max over one": (
        "c: f32[3,1] = reshape[shape=(3, 1)](a) d: f32[3] = max[axes=(1,), keepdims=False](c) return d",
        "return a",
    ),
    "pad by nothing": ("c: f32[3] = pad[low=(0,), high=(0,), gaps=(0,)](a) return c", "return a"),
    "one part": ("c: f32[3] = concatenate[axis=0](a) return c", "return a"),
}


@pytest.mark.parametrize("name", EXACT)
def test_canonical_forms(name):
    before, wanted = EXACT[name]
    assert after(canonicalise, f32(before)) == clean(f32(before if wanted is None else wanted))


UNCHANGED = {
    "x + 0.0 makes 0.0 of -0.0": "c: f32[3] = add(a, 0.0) return c",
    "x + 0 is x + 0.0": "c: f32[3] = add(a, 0) return c",
    "x - -0.0 makes 0.0 of -0.0": "c: f32[3] = subtract(a, -0.0) return c",
    "x * 0 is not 0": "c: f32[3] = multiply(a, 0.0) return c",
    "x - x is not 0": "c: f32[3] = subtract(a, a) return c",
    "a third is not exact": "c: f32[3] = divide(a, 3.0) return c",
    "the inverse is subnormal": "c: f32[3] = divide(a, 1.7014118346046923e+38) return c",
    "the inverse overflows": "c: f64[3] = convert[dtype=f64](a) d: f64[3] = divide(c, 5e-324) return d",
    "this rounds": "c: f32[3] = exp(a) d: f64[3] = convert[dtype=f64](c) return d",
    "a constant stays strong": "c: f64 = convert[dtype=f64](1.0) d: f64[2] = broadcast[shape=(2,)](c) return d",
    "both are stretched": "c: f32[3,1] = reshape[shape=(3, 1)](a) d: f32[3,3] = multiply(c, b) return d",
    "a true transpose": "c: f32[3,3] = multiply(a, a) return c".replace("multiply(a, a)", "broadcast[shape=(3, 3)](a)"),
}


@pytest.mark.parametrize("name", UNCHANGED)
def test_what_has_no_shorter_form_stays(name):
    graph = parse_graph(f32(UNCHANGED[name]))
    assert canonicalise(graph) is graph


def test_division_by_powers_of_two_is_exact_up_to_the_ends_of_the_range():
    tiny, top = np.finfo(np.float32).tiny, np.float32(2.0**127)
    x = np.array([1.0, -3.3, 1e-42, 3e38, np.inf, -0.0, np.nan], np.float32)
    for power in range(-126, 128):
        graph = parse_graph(f"graph(a: f32[7]) {{ b: f32[7] = divide(a, {2.0**power!r}) return b }}")
        with np.errstate(all="ignore"):
            (wanted,), (found,) = evaluate(graph, [x]), evaluate(canonicalise(graph), [x])
        assert found.tobytes() == wanted.tobytes(), power
    assert tiny * top == 2.0


def test_integers_lose_their_zeros_too():
    text = "graph(a: i32[2]) { b: i32[2] = add(a, 0) c: i32[2] = negative(b) d: i32[2] = add(c, a) return d }"
    assert after(canonicalise, text) == clean("graph(a: i32[2]) { b: i32[2] = subtract(a, a) return b }")


def test_a_weak_result_is_not_replaced_by_a_strong_one():
    graph = parse_graph("graph(a: f64*) { b: f64 = convert[dtype=f64](a) c: f64 = reshape[shape=()](a) return b, c }")
    assert canonicalise(graph) is graph


CALL = (
    "call[graph=graph(x: f32[3], y: f32[3]) { z: f32[3] = add(x, y) return z, x }, label='f', recompute=%s, live=None]"
)


@pytest.mark.parametrize("recompute", ["False", "True"])
def test_calls_are_written_out(recompute):
    text = f32(f"c: f32[3], d: f32[3] = {CALL % recompute}(a, b) e: f32[3], f: f32[3] = {CALL % recompute}(c, b) "
               "return e, f, d")  # fmt: skip
    wanted = f32("c: f32[3] = add(a, b) d: f32[3] = add(c, b) return d, c, a")
    assert after(inline_calls, text) == clean(wanted)


def test_calls_in_calls_and_in_loops_are_written_out():
    inner = "graph(x: f32) { y: f32 = tanh(x) return y }"
    middle = f"graph(x: f32) {{ y: f32 = call[graph={inner}, label='', recompute=False, live=None](x) return y }}"
    call = f"call[graph={middle}, label='', recompute=False, live=None]"
    scan = "c: f32 = scan[body=graph(x: f32) {{ y: f32 = {}(x) return y }}, length=3, n_consts=0, n_carry=1, "
    scan += "backwards=False](a) return c"
    assert after(inline_calls, f32(scan.format(call), "a: f32")) == clean(f32(scan.format("tanh"), "a: f32"))


def test_a_rule_of_its_own_gives_its_function():
    one = "graph(x: f32) { y: f32 = sin(x) return y }"
    kept = "graph(x: f32) { y: f32 = sin(x) z: f32 = cos(x) return y, z }"
    pulled = "graph(z: f32, c: f32) { y: f32 = multiply(z, c) return y }"
    text = f32(f"b: f32 = custom_vjp[primal={one}, forward={kept}, backward={pulled}, label='w'](a) return b", "a: f32")
    assert after(inline_calls, text) == clean(f32("b: f32 = sin(a) return b", "a: f32"))


def test_a_weak_argument_becomes_as_strong_as_the_call_wants_it():
    call = "call[graph=graph(x: f64) { y: f64 = sin(x) return y }, label='', recompute=False, live=None]"
    text = f"graph(a: f64*) {{ b: f64 = {call}(a) return b }}"
    wanted = "graph(a: f64*) { b: f64 = convert[dtype=f64](a) c: f64 = sin(b) return c }"
    assert after(inline_calls, text) == clean(wanted)


def test_a_call_that_relies_on_a_weak_argument_stays_if_it_gets_a_strong_one():
    body = "graph(x: f64*, y: f32[2]) { z: f32[2] = multiply(x, y) return z }"
    call = f"call[graph={body}, label='', recompute=False, live=None]"
    graph = parse_graph(f"graph(a: f64, b: f32[2]) {{ c: f32[2] = {call}(a, b) return c }}")
    assert inline_calls(graph) is graph
    text = f"graph(b: f32[2]) {{ c: f32[2] = {call}(0.5:f64, b) return c }}"
    assert after(inline_calls, text) == clean("graph(b: f32[2]) { c: f32[2] = multiply(0.5, b) return c }")


def test_equal_equations_are_one():
    text = f32("c: f32[3] = exp(a) d: f32[3] = exp(a) e: f32[3] = add(c, b) f: f32[3] = add(b, d) return e, f")
    wanted = f32("c: f32[3] = exp(a) d: f32[3] = add(c, b) return d, d")
    assert after(join_common, text) == clean(wanted)


@pytest.mark.parametrize(
    "body",
    [
        "c: f32[3] = multiply(a, 0.0) d: f32[3] = multiply(a, -0.0) return c, d",
        "c: f32[3] = multiply(a, 1.0) d: f32[3] = multiply(a, 1.0:f32) return c, d",
        "c: f32[3] = multiply(a, 1.0) d: f32[3] = multiply(a, 1) return c, d",
        "c: f32[3] = subtract(a, b) d: f32[3] = subtract(b, a) return c, d",
        "c: f32[1] = slice[starts=(0,), lengths=(1,), steps=(1,)](a) "
        "d: f32[1] = slice[starts=(1,), lengths=(1,), steps=(1,)](a) return c, d",
        "c: f32[3] = maximum(a, b) d: f32[3] = maximum(b, a) return c, d",
    ],
)
def test_what_only_looks_alike_stays_apart(body):
    graph = parse_graph(f32(body))
    assert join_common(graph) is graph


def test_equal_draws_are_one():
    draw = "u32[5], {}: u64[2] = random_bits[shape=(5,)]({})"
    text = f"graph(s: u64[2]) {{ a: {draw.format('b', 's')} c: {draw.format('d', 's')} e: {draw.format('f', 'd')} "
    text += "return a, c, e, f }"
    wanted = f"graph(s: u64[2]) {{ a: {draw.format('b', 's')} e: {draw.format('f', 'b')} return a, a, e, f }}"
    assert after(join_common, text) == clean(wanted)


def test_scalars_of_literals_become_literals():
    text = f32("c: f32 = divide(1.0:f32, 64.0) d: f64* = add(1.0, 2) e: f32 = convert[dtype=f32](d) "
               "f: f32 = multiply(c, e) g: f32[3] = multiply(a, f) h: f32[3] = multiply(g, d) return h, d")  # fmt: skip
    wanted = f32("c: f32[3] = multiply(a, 0.046875:f32) d: f32[3] = multiply(c, 3.0) return d, 3.0")
    assert after(fold, text) == clean(wanted)


@pytest.mark.parametrize("operation", ["divide(1.0:f32, 0.0)", "log(-1.0:f32)", "exp(1000.0:f32)"])
def test_what_warns_does_so_when_it_runs(operation):
    graph = parse_graph(f"graph() {{ a: f32 = {operation} return a }}")
    assert fold(graph) is graph


def test_what_raises_does_so_when_it_runs():
    graph = parse_graph("graph() { a: i64 = power(2:i64, -1) return a }")
    assert fold(graph) is graph


def test_arrays_of_literals_stay():
    graph = parse_graph("graph() { a: f32[3] = broadcast[shape=(3,)](1.0:f32) b: i64[3] = iota[length=3, dtype=i64]() "
                        "return a, b }")  # fmt: skip
    assert fold(graph) is graph


SCAN = "scan[body=graph({}) {{ {} }}, length=3, n_consts={}, n_carry={}, backwards=False]"


def test_dead_parts_of_a_scan_go():
    body = SCAN.format(
        "k: f32, m: f32, used: f32, alone: f32, feeds: f32, x: f32, y: f32",
        "p: f32 = add(used, feeds) q: f32 = add(alone, y) r: f32 = multiply(feeds, k) s: f32 = multiply(m, x) "
        "return p, q, r, s, x",
        2, 3,
    )  # fmt: skip
    inputs = "k: f32, m: f32, a: f32, x: f32[3], y: f32[3]"
    text = f32(f"b: f32, c: f32, d: f32, e: f32[3], f: f32[3] = {body}(k, m, a, a, a, x, y) return b, f", inputs)
    small = SCAN.format(
        "k: f32, used: f32, feeds: f32, x: f32",
        "p: f32 = add(used, feeds) r: f32 = multiply(feeds, k) return p, r, x",
        1, 2,
    )  # fmt: skip
    wanted = f32(f"b: f32, c: f32, f: f32[3] = {small}(k, a, a, x) return b, f", inputs)
    assert print_graph(drop_dead(parse_graph(text))) == clean(wanted)


def test_a_carried_value_that_is_read_stays():
    body = SCAN.format("c: f32, d: f32", "return d, c", 0, 2)
    graph = parse_graph(f32(f"b: f32, c: f32 = {body}(a, a) return b", "a: f32"))
    assert drop_dead(graph) is graph


def test_a_loop_nobody_reads_goes():
    body = SCAN.format("c: f32", "d: f32 = exp(c) return d", 0, 1)
    assert after(drop_dead, f32(f"b: f32 = {body}(a) return a", "a: f32")) == clean(f32("return a", "a: f32"))


def test_dead_parts_of_a_while_go():
    text = """graph(l: i64, a: f32, n: i64) {
      b: f32, m: i64, c: f32 = while[
        condition=graph(l: i64, b: f32, n: i64, c: f32) { t: bool = less(n, l) return t },
        body=graph(k: f32, j: f32, b: f32, n: i64, c: f32) {
          d: f32 = multiply(b, k) m: i64 = add(n, 1) e: f32 = multiply(c, j) return d, m, e
        }, n_condition=1, n_body=2](l, a, a, a, n, a)
      return b }"""
    wanted = """graph(l: i64, a: f32, n: i64) {
      b: f32, m: i64 = while[
        condition=graph(l: i64, b: f32, n: i64) { t: bool = less(n, l) return t },
        body=graph(k: f32, b: f32, n: i64) { d: f32 = multiply(b, k) m: i64 = add(n, 1) return d, m },
        n_condition=1, n_body=1](l, a, a, n)
      return b }"""
    assert print_graph(drop_dead(parse_graph(text))) == clean(wanted)


def test_dead_parts_of_a_cond_go():
    arm = "graph({}) {{ {} }}"
    true = arm.format("x: f32, y: f32, z: f32", "u: f32 = exp(x) v: f32 = exp(y) return u, v")
    false = arm.format("x: f32, y: f32, z: f32", "return x, z")
    text = f32(f"b: f32, d: f32 = cond[true={true}, false={false}](c, a, a, a) return b", "c: bool, a: f32")
    true = arm.format("x: f32", "u: f32 = exp(x) return u")
    false = arm.format("x: f32", "return x")
    wanted = f32(f"b: f32 = cond[true={true}, false={false}](c, a) return b", "c: bool, a: f32")
    assert print_graph(drop_dead(parse_graph(text))) == clean(wanted)


def test_constants_of_a_loop_are_computed_before_it():
    body = SCAN.format(
        "k: f32, c: f32[2], x: f32",
        "d: f32 = exp(k) e: f32 = multiply(d, x) f: f32 = multiply(d, 2.0) g: f32[2] = broadcast[shape=(2,)](f) "
        "h: f32[2] = multiply(c, g) return h, e",
        1, 1,
    )  # fmt: skip
    inputs = "a: f32, c: f32[2], x: f32[3]"
    text = f32(f"h: f32[2], e: f32[3] = {body}(a, c, x) return h, e", inputs)
    small = SCAN.format(
        "d: f32, f: f32, c: f32[2], x: f32",
        "e: f32 = multiply(d, x) g: f32[2] = broadcast[shape=(2,)](f) h: f32[2] = multiply(c, g) return h, e",
        2, 1,
    )  # fmt: skip
    wanted = f32(
        f"d: f32 = exp(a) f: f32 = multiply(d, 2.0) h: f32[2], e: f32[3] = {small}(d, f, c, x) return h, e", inputs
    )
    assert after(hoist, text) == clean(wanted)


def test_what_can_raise_stays_in_a_loop():
    body = SCAN.format("k: f32[4], i: i64[1,1], c: f32", "d: f32[1] = gather[batch_axes=0](k, i) return c, d", 2, 1)
    body = body.replace("return c, d", "e: f32 = add(c, 1.0) return e, d")
    graph = parse_graph(f32(f"b: f32, d: f32[3,1] = {body}(k, i, a) return b, d", "k: f32[4], i: i64[1,1], a: f32"))
    assert hoist(graph) is graph


def test_what_is_carried_unchanged_is_a_constant():
    text = """graph(l: i64, a: f32, n: i64) {
      b: f32, m: i64 = while[
        condition=graph(l: i64, b: f32, n: i64) { t: bool = less(n, l) return t },
        body=graph(b: f32, n: i64) { m: i64 = add(n, 1) return b, m }, n_condition=1, n_body=0](l, a, n)
      return b, m }"""
    wanted = """graph(l: i64, a: f32, n: i64) {
      m: i64 = while[condition=graph(l: i64, n: i64) { t: bool = less(n, l) return t },
        body=graph(n: i64) { m: i64 = add(n, 1) return m }, n_condition=1, n_body=0](l, n)
      return a, m }"""
    assert after(hoist, text) == clean(wanted)
    body = SCAN.format("c: f32, d: f32", "e: f32 = multiply(c, d) return c, e", 0, 2)
    small = SCAN.format("c: f32, d: f32", "e: f32 = multiply(c, d) return e", 1, 1)
    text = f32(f"b: f32, c: f32 = {body}(a, a) return b, c", "a: f32")
    assert after(hoist, text) == clean(f32(f"b: f32 = {small}(a, a) return a, b", "a: f32"))


def test_borders_of_loops_are_narrow():
    body = SCAN.format(
        "k: f32[2], l: f32, m: f32[2], same: f32[2], c: f32[2], w: f32[2], x: f32[2], y: f32[2]",
        "d: f32[2] = add(c, k) e: f32[2] = multiply(d, l) f: f32[2] = add(e, same) g: f32[2] = add(f, w) "
        "h: f32[2] = add(g, x) i: f32[2] = add(h, y) j: f32[2] = add(i, m) "
        "z: f32[2] = broadcast[shape=(2,)](l) return j, j, j, m, z, x, 1.0:f32",
        4, 1,
    )  # fmt: skip
    inputs = "a: f32[2], x: f32[3,2]"
    text = f32(
        "k: f32[2] = broadcast[shape=(2,)](3.0:f32) w: f32[3,2] = broadcast[shape=(3, 2)](a) "
        "b: f32[2], j: f32[3,2], t: f32[3,2], m: f32[3,2], z: f32[3,2], s: f32[3,2], o: f32[3] = "
        f"{body}(k, 2.0:f32, a, a, a, w, x, x) return b, j, t, m, z, s, o",
        inputs,
    )
    small = SCAN.format(
        "m: f32[2], c: f32[2], x: f32[2]",
        "k: f32[2] = broadcast[shape=(2,)](3.0:f32) d: f32[2] = add(c, k) e: f32[2] = multiply(d, 2.0:f32) "
        "f: f32[2] = add(e, m) g: f32[2] = add(f, m) h: f32[2] = add(g, x) i: f32[2] = add(h, x) "
        "j: f32[2] = add(i, m) return j, j",
        1, 1,
    )  # fmt: skip
    wanted = f32(
        "m: f32[3,2] = broadcast[shape=(3, 2)](a) z: f32[3,2] = broadcast[shape=(3, 2)](2.0:f32) "
        f"o: f32[3] = broadcast[shape=(3,)](1.0:f32) b: f32[2], j: f32[3,2] = {small}(a, a, x) "
        "return b, j, j, m, z, x, o",
        inputs,
    )
    assert after(narrow_borders, text) == clean(wanted)


def test_borders_of_a_while_are_narrow():
    text = """graph(a: f32, n: i64) {
      b: f32, m: i64 = while[
        condition=graph(l: i64, b: f32, n: i64) { t: bool = less(n, l) return t },
        body=graph(k: f32, j: f32, b: f32, n: i64) {
          c: f32 = multiply(b, k) d: f32 = multiply(c, j) m: i64 = add(n, 1) return d, m
        }, n_condition=1, n_body=2](5:i64, a, a, a, n)
      return b, m }"""
    wanted = """graph(a: f32, n: i64) {
      b: f32, m: i64 = while[condition=graph(b: f32, n: i64) { t: bool = less(n, 5:i64) return t },
        body=graph(k: f32, b: f32, n: i64) {
          c: f32 = multiply(b, k) d: f32 = multiply(c, k) m: i64 = add(n, 1) return d, m
        }, n_condition=0, n_body=1](a, a, n)
      return b, m }"""
    assert after(narrow_borders, text) == clean(wanted)


def test_a_loop_with_narrow_borders_stays():
    body = SCAN.format("k: f32, c: f32, x: f32", "d: f32 = add(c, k) e: f32 = add(d, x) return e, d", 1, 1)
    graph = parse_graph(f32(f"b: f32, c: f32[3] = {body}(a, a, x) return b, c", "a: f32, x: f32[3]"))
    assert narrow_borders(graph) is graph


STABLE = {
    "log1p": ("c: f32[3] = add(1.0, a) d: f32[3] = log(c) return d", "c: f32[3] = log1p(a) return c"),
    "expm1": ("c: f32[3] = exp(a) d: f32[3] = subtract(c, 1.0:f32) return d", "c: f32[3] = expm1(a) return c"),
    "softplus": (
        "c: f32[3] = exp(a) d: f32[3] = add(c, 1.0) e: f32[3] = log(d) return e",
        "c: f32[3] = softplus(a) return c",
    ),
    "log of a sigmoid": (
        "c: f32[3] = sigmoid(a) d: f32[3] = log(c) return d",
        "c: f32[3] = negative(a) d: f32[3] = softplus(c) e: f32[3] = subtract(0.0, d) return e",
    ),
    "logsumexp": (
        "c: f32[3] = exp(a) d: f32 = sum[axes=(0,), keepdims=False](c) e: f32 = log(d) return e",
        "c: f32 = logsumexp[axes=(0,), keepdims=False](a) return c",
    ),
    "log of a softmax": (
        "c: f32[3] = softmax(a) d: f32[3] = log(c) return d",
        "c: f32[1] = max[axes=(0,), keepdims=True](a) d: f32[3] = subtract(a, c) e: f32[3] = exp(d) "
        "f: f32[1] = sum[axes=(0,), keepdims=True](e) g: f32[1] = log(f) h: f32[3] = subtract(d, g) return h",
    ),
    "read elsewhere": ("c: f32[3] = add(1.0, a) d: f32[3] = log(c) return d, c", None),
}


@pytest.mark.parametrize("name", STABLE)
def test_stable_forms(name):
    before, wanted = STABLE[name]
    graph, better = parse_graph(f32(before)), after(stabilise, f32(before))
    assert better == clean(f32(before if wanted is None else wanted))
    assert print_graph(stabilise(parse_graph(better))) == better
    special = np.array([[0.0, -0.0, 1.0], [np.inf, -np.inf, 1.0], [np.nan, 2.0, -0.5], [-np.inf] * 3, [np.inf] * 3])
    for row in special.astype(np.float32):
        with np.errstate(all="ignore"):
            found, old = evaluate(parse_graph(better), [row, row]), evaluate(graph, [row, row])
        np.testing.assert_allclose(found[0], old[0], rtol=1e-6)


def test_stable_forms_are_right_where_the_others_fail():
    x = np.array([-200.0, 1e-12, 200.0], np.float32)
    wanted = {
        "log1p": np.array([np.nan, 1e-12, np.log(201.0)]), "expm1": np.array([-1.0, 1e-12, np.inf]),
        "softplus": np.array([0.0, np.log(2.0), 200.0]), "log of a sigmoid": np.array([-200.0, -np.log(2.0), 0.0]),
        "logsumexp": np.array(200.0), "log of a softmax": np.array([-400.0, -200.0, 0.0]),
    }  # fmt: skip
    for name, right in wanted.items():
        with np.errstate(all="ignore"):
            found = evaluate(stabilise(parse_graph(f32(STABLE[name][0]))), [x, x])[0]
        np.testing.assert_allclose(found, right, rtol=1e-6, err_msg=name)
