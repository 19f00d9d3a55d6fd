"""Packing: tiles of A and panels of B laid out in the order in which a micro-kernel reads them.

A tile of A becomes (k, rows), a panel of B (k, width), one k after the other. Rows and columns beyond the matrix hold
copies of others, and are left out when results are stored; terms beyond k are zeros in both.
"""

from __future__ import annotations

from collections.abc import Sequence

from retrograd.native.contraction.indices import Index, add, at, least, pieces, subtract, sweep, whether
from retrograd.native.contraction.kernel import first_lanes
from retrograd.native.contraction.planning import Plan
from retrograd.native.llvm.builder import Function, Type, constant


def pack_panel(f: Function, p: Plan, b: str, column: Index, start: Index, stop: Index, to: str) -> None:
    """Copy rows [start, stop) of the panel of B that begins at `column`; `stop` is k, or between two blocks of k."""
    n, strides = p.product.n, p.product.b
    if strides.column == 1:
        _copy(f, p, b, column, n, p.width, strides.row, start, stop, to)
    elif strides.row == 1 and _turns(p):
        _turn(f, p, b, column, n, p.width, strides.column, start, stop, to)
    else:
        _one_by_one(f, p, b, column, n, p.width, (strides.column, strides.row), start, stop, to)
    _fill(f, p, p.width, start, stop, to)


def pack_tile(f: Function, p: Plan, a: str, row: Index, start: Index, stop: Index, to: str) -> None:
    """Copy columns [start, stop) of the tile of A that begins at `row`; `stop` is k, or between two blocks of k."""
    m, strides = p.product.m, p.product.a
    if strides.column == 1 and _turns(p):
        _turn(f, p, a, row, m, p.rows, strides.row, start, stop, to)
    elif strides.row == 1:
        _copy(f, p, a, row, m, p.rows, strides.column, start, stop, to)
    else:
        _one_by_one(f, p, a, row, m, p.rows, (strides.row, strides.column), start, stop, to)
    _fill(f, p, p.rows, start, stop, to)


# Of each matrix `first` is the first line to copy, `end` how many it has, `pitch` how many go into a tile or panel. For
# A lines are rows, for B columns; they lie side by side in what is packed, whatever they do in the matrix.


def _copy(
    f: Function, p: Plan, matrix: str, first: Index, end: int, pitch: int, stride: int, start: Index, stop: Index,
    to: str,
) -> None:  # fmt: skip
    """Lines that lie side by side in the matrix also; from one k to the next it is `stride`."""
    t = p.type

    def lines(first: Index, size: int) -> None:
        def one(k: Index) -> None:
            source = at(f, matrix, t.base, (first, 1), (k, stride))
            target = at(f, to, t.base, (k, pitch), (start, -pitch))
            # The last vector may reach into what belongs to the next k, which is written after it.
            for lane in range(0, pitch, t.lanes):
                value = constant(t, 0)
                if lane < size:
                    mask = first_lanes(t, min(t.lanes, size - lane))
                    place = f.offset(source, t.base, lane)
                    value = f.load(t, place) if mask is None else f.masked_load(t, place, mask)
                f.store(t, value, f.offset(target, t.base, lane))

        sweep(f, start, stop, 1, one)

    # The end of this range only tells the last tile or panel from the others.
    pieces(f, first, least(f, add(f, first, pitch), end), pitch, end, lines)


def _one_by_one(
    f: Function, p: Plan, matrix: str, first: Index, end: int, pitch: int, strides: tuple[int, int], start: Index,
    stop: Index, to: str,
) -> None:  # fmt: skip
    """Any strides: from line to line, and from one k to the next."""
    t = p.type.scalar

    def line(part: Index) -> None:
        place = least(f, add(f, first, part), end - 1)

        def one(k: Index) -> None:
            value = f.load(t, at(f, matrix, t.base, (place, strides[0]), (k, strides[1])))
            f.store(t, value, at(f, to, t.base, (k, pitch), (start, -pitch), (part, 1)))

        sweep(f, start, stop, 1, one)

    sweep(f, 0, pitch, 1, line)


def _turns(p: Plan) -> bool:
    """Whether vectors fit into every block of k, and are long enough to be turned by `transpose`."""
    shortest = p.product.k if p.form == "tiles" else p.product.k - (p.depths - 1) * p.depth
    return p.type.lanes * p.type.size >= 16 and min(shortest, p.depth) >= p.lanes


def _turn(
    f: Function, p: Plan, matrix: str, first: Index, end: int, pitch: int, stride: int, start: Index, stop: Index,
    to: str,
) -> None:  # fmt: skip
    """Lines along k, `stride` apart."""
    t = p.type
    name = _turning(f, t)
    length = subtract(f, stop, start)

    def group(part: Index) -> None:
        line = add(f, first, part)
        source = at(f, matrix, t.base, (line, stride), (start, 1))
        last = subtract(f, end - 1, line)
        f.do(
            f"call void @{name}(ptr {source}, i64 {stride}, i64 {last}, i64 {length}, "
            f"ptr {at(f, to, t.base, (part, 1))}, i64 {pitch})"
        )

    if pitch % t.lanes:
        # The last group reaches into the first lines of the next k: those have to be written after it.
        for part in reversed(range(0, pitch, t.lanes)):
            group(part)
    else:
        sweep(f, 0, pitch, t.lanes, group)


def _turning(f: Function, t: Type) -> str:
    """The name of a function that turns lines along k, a vector of them; the module holds one for each type.

    Its arguments: the first line, the stride from line to line, the number of the last line that there is (copies of it
    stand for those beyond, which may be all), the length along k, a vector at least, and where to, with what pitch.
    """
    name = f"turn_{t.suffix}"
    if name in f.module.functions:
        return name
    arguments = [("ptr", "source"), ("i64", "stride"), ("i64", "last"), ("i64", "length"), ("ptr", "to")]
    g = f.module.function(name, [*arguments, ("i64", "pitch")], "internal void")
    lines = []
    for r in range(t.lanes):
        line = g.value(f"mul i64 {least(g, '%last', r)}, %stride")
        lines.append(g.offset("%source", t.base, line))
    final = subtract(g, "%length", t.lanes)
    with g.loop("%length", 0, t.lanes, at_least_once=True) as loop:
        k = least(g, loop.index, final)  # the last vectors overlap those before them
        columns = transpose(g, t, [g.load(t, at(g, line, t.base, (k, 1))) for line in lines])
        place = g.offset("%to", t.base, g.value(f"mul i64 {k}, %pitch"))
        for column in columns:
            g.store(t, column, place)
            place = g.offset(place, t.base, "%pitch")
    g.do("ret void")
    return name


def _fill(f: Function, p: Plan, pitch: int, start: Index, stop: Index, to: str) -> None:
    """Zeros for the terms beyond the end of k, if the micro-kernel reads them."""
    t, k = p.type.scalar, p.product.k
    zeros = (p.packed_depth - k) * pitch
    if p.form != "blocks" or not zeros:
        return
    with whether(f, "eq", stop, k) as last:
        if last:
            end = at(f, to, t.base, (k, pitch), (start, -pitch))
            sweep(f, 0, zeros, 1, lambda q: f.store(t, constant(t, 0), at(f, end, t.base, (q, 1))))


def transpose(f: Function, t: Type, rows: Sequence[str]) -> list[str]:
    """The columns of a square of vectors.

    First within sixteen bytes, by shuffles that are single instructions, then blocks of sixteen bytes among vectors.
    """
    few, lanes = 16 // t.size, t.lanes
    starts = range(0, lanes, few)

    def places(*inner: int) -> list[int]:
        """The same places in every sixteen bytes; `few` and above are those of the second vector."""
        return [start + q % few + lanes * (q >= few) for start in starts for q in inner]

    def both(x: str, y: str, low: list[int], high: list[int]) -> tuple[str, str]:
        return f.shuffle(t, x, y, low), f.shuffle(t, x, y, high)

    table: list[list[str]] = []
    for start in starts:
        if few == 2:
            table.append(list(both(rows[start], rows[start + 1], places(0, 2), places(1, 3))))
            continue
        u, v = both(rows[start], rows[start + 1], places(0, 4, 1, 5), places(2, 6, 3, 7))
        x, y = both(rows[start + 2], rows[start + 3], places(0, 4, 1, 5), places(2, 6, 3, 7))
        halves = places(0, 1, 4, 5), places(2, 3, 6, 7)
        table.append([*both(u, x, *halves), *both(v, y, *halves)])
    width = few
    while width < lanes:
        low = [q if not q & width else lanes + (q ^ width) for q in range(lanes)]
        high = [q | width if not q & width else lanes + q for q in range(lanes)]
        step = width // few
        for i in range(len(table)):
            if not i & step:
                pairs = [both(x, y, low, high) for x, y in zip(table[i], table[i | step], strict=True)]
                table[i], table[i | step] = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        width *= 2
    return [column for group in table for column in group]
