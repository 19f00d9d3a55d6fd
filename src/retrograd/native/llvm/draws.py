"""Random words: Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011), several counters at a time."""

from __future__ import annotations

from retrograd.native.llvm.builder import Function, Module, Type, constant, vector_constant
from retrograd.native.llvm.nests import power_of_two, tail_mask
from retrograd.native.llvm.state import Table
from retrograd.native.llvm.target import Target
from retrograd.native.loops.ir import Draw
from retrograd.primitives.creation import _M0, _M1, _W0, _W1, ROUNDS

LOW = 0xFFFFFFFF


def write_draw(module: Module, target: Target, table: Table, draw: Draw, name: str) -> None:
    """A function that fills ``out`` and writes the state that follows."""
    f = module.function(name, [("ptr", "state"), ("i64", "from"), ("i64", "to")])
    state, out, following = (table.address(f, v, b) for v, b in
                             ((draw.state, "i64"), (draw.out, "i32"), (draw.following, "i64")))  # fmt: skip
    one = Type("i64")
    key, counter = f.load(one, state), f.load(one, f.offset(state, "i64", 1))
    n = draw.out.size
    blocks = -(-n // 4)
    keys = _round_keys(f, key)
    lanes = min(target.lanes(8), power_of_two(max(blocks, 1)))
    whole = n // (4 * lanes)
    with f.loop(whole) as loop:
        block = f.value(f"mul nuw nsw i64 {loop.index}, {lanes}")
        words = _words(f, lanes, f.value(f"add i64 {counter}, {block}"), keys)
        f.store(Type("i32", 4 * lanes), words, f.offset(out, "i32", f.value(f"mul nuw nsw i64 {block}, 4")), 4)
    left = n - whole * 4 * lanes
    if left:
        words = _words(f, lanes, f.value(f"add i64 {counter}, {whole * lanes}"), keys)
        pointer = f.offset(out, "i32", whole * 4 * lanes)
        f.masked_store(Type("i32", 4 * lanes), words, pointer, tail_mask(4 * lanes, left))
    f.store(one, key, following)
    f.store(one, f.value(f"add i64 {counter}, {blocks}"), f.offset(following, "i64", 1))
    f.do("ret void")


def _round_keys(f: Function, key: str) -> list[tuple[str, str]]:
    low, high = f.value(f"and i64 {key}, {LOW}"), f.value(f"lshr i64 {key}, 32")
    keys = []
    for _ in range(ROUNDS):
        keys.append((low, high))
        low = f.value(f"and i64 {f.value(f'add i64 {low}, {_W0}')}, {LOW}")
        high = f.value(f"and i64 {f.value(f'add i64 {high}, {_W1}')}, {LOW}")
    return keys


def _words(f: Function, lanes: int, start: str, keys: list[tuple[str, str]]) -> str:
    """Four words for each of the counters from `start` on, in order."""
    t = Type("i64", lanes)
    low, half = constant(t, LOW), constant(t, 32)
    counter = f.op("add", t, f.splat(t, start), vector_constant(t, range(lanes)))
    c0, c1 = f.op("and", t, counter, low), f.op("lshr", t, counter, half)
    c2 = c3 = constant(t, 0)
    for k0, k1 in keys:
        p0, p1 = f.op("mul", t, constant(t, int(_M0)), c0), f.op("mul", t, constant(t, int(_M1)), c2)
        h0, h1 = f.op("lshr", t, p0, half), f.op("lshr", t, p1, half)
        c0 = f.op("xor", t, f.op("xor", t, h1, c1), f.splat(t, k0))
        c1 = f.op("and", t, p1, low)
        c2 = f.op("xor", t, f.op("xor", t, h0, c3), f.splat(t, k1))
        c3 = f.op("and", t, p0, low)
    narrow = Type("i32", lanes)
    w = [f.cast("trunc", t, c, narrow) for c in (c0, c1, c2, c3)]
    pair = range(2 * lanes)
    first, second = f.shuffle(narrow, w[0], w[1], pair), f.shuffle(narrow, w[2], w[3], pair)
    return f.shuffle(Type("i32", 2 * lanes), first, second, [i // 4 + lanes * (i % 4) for i in range(4 * lanes)])
