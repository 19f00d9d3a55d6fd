"""How a product is computed: the tile of C that stays in registers, and what is packed into which blocks."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from retrograd.native.llvm.builder import BITS, Type
from retrograd.native.llvm.target import Target

# A chain of additions is not longer than this; the sums of the pieces are added up one after the other. The last bits
# of a result depend on it, therefore every form of code follows it, and nothing but k and the dtype decides it.
CHAIN = 384
# Columns of C for which A is packed anew, so that the sums of one block of rows stay in a near cache.
COLUMNS = 2048


@dataclass(frozen=True, slots=True)
class Operand:
    """The strides of a matrix in elements, of any sign: `row` from row to row, `column` from column to column."""

    row: int
    column: int

    @property
    def transposed(self) -> Operand:
        return Operand(self.column, self.row)


@dataclass(frozen=True, slots=True)
class Product:
    """``C[m, n] = sum_k A[m, k] B[k, n]`` of elements of type `base`: ``float`` or ``double``."""

    m: int
    n: int
    k: int
    base: str
    a: Operand
    b: Operand

    @property
    def transposed(self) -> Product:
        """The product that gives C transposed: the operands change places.

        Vectors run along the columns of C, so this is the one to compute if C has one column and many rows.
        """
        return Product(self.n, self.m, self.k, self.base, self.b.transposed, self.a.transposed)

    @property
    def size(self) -> int:
        """Bytes of an element."""
        return BITS[self.base] // 8


@dataclass(frozen=True, slots=True)
class Plan:
    """The decisions for one product.

    Attributes:
        product: with strides that are never used set to what suits.
        target: the machine.
        form: ``tiles`` reads A where it lies; ``blocks`` packs A as well as B. For few rows, ``dots`` runs vectors
            along k, ``streams`` reads a large B from end to end.
        lanes: elements of a vector of C.
        rows, vectors: the tile of C that is held in registers.
        packs: whether B is read from packed panels of ``vectors * lanes`` columns.
        chains: independent sums over k in a tile too small to hide the latency of an addition, added up at its end.
        depth: length of a chain, and of a block of k.
        rows_at_once: rows of C whose part of A stays in the second-level cache; a multiple of `rows`.
        columns_at_once: columns of C for which A is packed once; a multiple of `width`.
    """

    product: Product
    target: Target
    form: Literal["tiles", "blocks", "dots", "streams"]
    lanes: int
    rows: int
    vectors: int
    packs: bool
    chains: int
    depth: int
    rows_at_once: int
    columns_at_once: int

    @property
    def type(self) -> Type:
        """Of a vector of C."""
        return Type(self.product.base, self.lanes)

    @property
    def width(self) -> int:
        """Columns of a tile, and of a packed panel."""
        return self.vectors * self.lanes

    @property
    def panels(self) -> int:
        return -(-self.product.n // self.width)

    @property
    def packed_depth(self) -> int:
        """Rows of a packed panel: k, filled up with zeros to whole vectors."""
        return round_up(self.product.k, self.target.lanes(self.product.size))

    @property
    def depths(self) -> int:
        """Blocks of k."""
        return max(1, -(-self.product.k // self.depth))

    @property
    def packed_bytes(self) -> int:
        """Of all panels of B; 0 if B is read where it lies."""
        return self.panels * self.packed_depth * self.width * self.product.size if self.packs else 0

    @property
    def row_step(self) -> int:
        """Ranges of rows begin and end at multiples of this, or at m."""
        return 1 if self.form == "dots" else self.rows

    @property
    def column_step(self) -> int:
        """Ranges of columns begin and end at multiples of this, or at n."""
        return self.width

    @property
    def by_rows(self) -> bool:
        """Whether tiles are visited row by row, which writes C in order, because all of B stays in the cache."""
        p = self.product
        return self.form == "tiles" and not self.packs and p.n * p.k * p.size <= self.target.l1 // 2

    @property
    def keeps_panels(self) -> bool:
        """Whether panels packed on the way are used again, for the next block of rows."""
        return self.product.m > self.rows_at_once

    # Scratch: panels of B packed on the way, then a block of A, then the sums of a block of C.

    @property
    def panel_scratch(self) -> int:
        if not self.packs:
            return 0
        columns = min(round_up(self.product.n, self.width), self.columns_at_once)
        if not self.keeps_panels:
            columns = self.width
        return round_up(columns * self.packed_depth * self.product.size, 64)

    @property
    def block_scratch(self) -> int:
        p = self.product
        if self.form == "dots":
            return round_up(p.m * p.k * p.size, 64) if p.a.column != 1 else 0
        if self.form == "streams":
            return round_up(p.m * round_up(p.n, self.lanes) * p.size, 64)
        if self.form == "tiles":
            return 0
        rows = min(self.rows_at_once, round_up(p.m, self.rows))
        # The last store into a packed tile may reach beyond it by less than a vector.
        return round_up((rows * min(self.depth, self.packed_depth) + self.lanes) * p.size, 64)

    @property
    def sums_scratch(self) -> int:
        if self.form != "blocks":
            return 0
        p, rows, columns = self.product, self.rows, self.width
        if self.depths > 1:
            rows = min(self.rows_at_once, round_up(p.m, self.rows))
            columns = min(round_up(p.n, self.width), self.columns_at_once)
        return round_up(rows * columns * p.size, 64)

    @property
    def scratch_bytes(self) -> int:
        return max(64, self.panel_scratch + self.block_scratch + self.sums_scratch)


def round_up(number: int, step: int) -> int:
    """The next multiple of `step`."""
    return -(-number // step) * step


@functools.lru_cache(maxsize=4096)
def plan(target: Target, product: Product) -> Plan:
    """Decide how a product is computed."""
    product = _unused_strides(product)
    if product.m <= 4 and product.k > 1 and product.b.row == 1 and product.b.column != 1:
        return _dots(target, product)
    if product.m <= 4 and product.b.column == 1 and product.k * product.n * product.size > target.l2 // 2:
        return _streams(target, product)
    # Packing A pays if it does not stay in the caches by itself, and if it is read for many panels.
    rows, vectors = _largest_tile(target)
    width = vectors * target.lanes(product.size)
    long = product.k > 4 * CHAIN and product.m >= 2 * rows and product.n >= 2 * width
    if (long or product.n > 4 * width) and _footprint(product) > target.l2 * 3 // 4:
        return _blocks(target, product)
    if product.n >= 8 * width and product.a.column != 1:
        lines = product.k if product.a.row == 1 else product.k * rows
        if not _stays(target, product.a.column * product.size, lines, 64):
            return _blocks(target, product)
    return _tiles(target, product)


def _unused_strides(p: Product) -> Product:
    """The stride along an axis of one element is never used: let it be what needs no packing."""
    a, b = p.a, p.b
    if p.k <= 1:
        a, b = Operand(a.row, 1), Operand(p.n, b.column)
    if p.m <= 1:
        a = Operand(p.k, a.column)
    if p.n <= 1:
        b = Operand(b.row, 1)
    return replace(p, a=a, b=b)


def _footprint(p: Product) -> int:
    """Bytes of the part of memory that A is spread over."""
    return (abs(p.a.row) * max(p.m - 1, 0) + abs(p.a.column) * max(p.k - 1, 0) + 1) * p.size


def _stays(target: Target, stride: int, count: int, size: int) -> bool:
    """Whether `count` pieces of `size` bytes, `stride` bytes apart, stay in the first-level cache.

    The place of a line of 64 bytes in the cache depends on its address modulo 4096: strides that share a large divisor
    with that leave most places empty.
    """
    places = 4096 // max(math.gcd(stride, 4096), 64)
    return count * size <= target.l1 // 2 and count <= places * (target.l1 // 4096) * 3 // 4


def _depth(product: Product) -> int:
    blocks = max(1, -(-product.k // CHAIN))
    return min(round_up(-(-product.k // blocks), 16), CHAIN) if blocks > 1 else max(product.k, 1)


def _lanes(target: Target, product: Product) -> int:
    """A whole register, or as much of one as a row of C needs; two at least."""
    return min(target.lanes(product.size), max(2, 1 << max(product.n - 1, 0).bit_length()))


def _dots(target: Target, product: Product) -> Plan:
    """Columns of B lie along k and there are too few rows to pay for turning them."""
    lanes = _lanes(target, product)
    chains = max(1, 8 // lanes)
    return Plan(product, target, "dots", lanes, 1, 1, False, chains, _depth(product), max(product.m, 1), COLUMNS)


def _streams(target: Target, product: Product) -> Plan:
    """Tiles would read a few lines of each row of B, again and again, from a far cache."""
    columns = round_up(product.n, target.lanes(product.size))
    lanes, rows = _lanes(target, product), max(product.m, 1)
    return Plan(product, target, "streams", lanes, rows, 1, False, 1, _depth(product), rows, columns)


def _tiles(target: Target, product: Product) -> Plan:
    lanes = _lanes(target, product)
    rows, vectors = min(_tile_shapes(target, product, lanes), key=lambda s: _cycles(target, product, lanes, *s))
    chains = 1
    while rows * vectors * chains < 8 and 4 * chains < product.k and chains < 4:
        chains *= 2
    at_once = target.l2 // 2 // max(product.k * product.size, 1) // rows * rows
    at_once = max(at_once, 8 * rows)
    width = vectors * lanes
    packs = product.n > 1 and product.b.column != 1
    if not packs and product.m >= 8 * rows:
        packs = not _stays(target, product.b.row * product.size, product.k, round_up(width * product.size, 64))
    columns = COLUMNS // width * width
    if not packs or product.m <= at_once:
        columns = round_up(product.n, width)
    return Plan(product, target, "tiles", lanes, rows, vectors, packs, chains, _depth(product), at_once, columns)


def _blocks(target: Target, product: Product) -> Plan:
    lanes = target.lanes(product.size)
    rows, vectors = _largest_tile(target)
    depth = _depth(product)
    packed = round_up(depth, lanes)
    most = max(1, target.l2 * 3 // 4 // (packed * product.size) // rows)
    tiles = -(-product.m // rows)
    at_once = -(-tiles // -(-tiles // most)) * rows
    columns = COLUMNS // (vectors * lanes) * vectors * lanes
    return Plan(product, target, "blocks", lanes, rows, vectors, True, 1, packed, at_once, columns)


def _largest_tile(target: Target) -> tuple[int, int]:
    """The tile with the fewest loads for its arithmetic."""
    if target.registers >= 32:
        return 12, 2
    return (6, 2) if target.fma else (5, 2)


def _tile_shapes(target: Target, product: Product, lanes: int) -> Iterator[tuple[int, int]]:
    """Rows and vectors that fit the registers: the sums, a row of B, an element of A, a product if it is apart."""
    room = target.registers - 1 - (not target.fma) - (target.registers >= 32)
    whole = -(-max(product.n, 1) // lanes)
    for vectors in range(1, min(whole, 8) + 1):
        most = (room - vectors - 1) // vectors
        if vectors > 4:  # only where each vector of B is used once, from memory
            most = 1 if product.m == 1 and vectors + 2 <= room else 0
        for rows in range(1, min(most, 24, max(product.m, 1)) + 1):
            yield rows, vectors


def _cycles(target: Target, product: Product, lanes: int, rows: int, vectors: int) -> float:
    """An estimate for the whole product: two multiply-adds and two loads a cycle, a latency of four."""
    whole = -(-product.n // lanes)
    total = 0.0
    kinds = 0
    for r, row_tiles in ((rows, product.m // rows), (product.m % rows, 1)):
        for v, column_tiles in ((vectors, whole // vectors), (whole % vectors, 1)):
            if not r or not v or not row_tiles or not column_tiles:
                continue
            kinds += 1
            step = max(r * v / 2 * (1 if target.fma else 2), (r + v) / 2, min(4.0, 32 / (r * v)) / 4)
            step = max(step, 4.0 if r * v >= 2 and rows * vectors >= 8 else 1.0)
            store = r * v if v * lanes * product.size % 64 == 0 or whole == vectors else 2 * r * v
            total += row_tiles * column_tiles * (product.k * step + 12 + store)
    return total * (1 + 0.02 * kinds)


def shares(target: Target, product: Product, parts: int) -> tuple[str, list[tuple[int, int]]]:
    """Cut C into `parts` of about the same work: ``("rows" or "columns", ranges)``; a range may be empty."""
    p = plan(target, product)
    row_tiles, column_tiles = -(-product.m // p.row_step), -(-product.n // p.column_step)
    by_rows = row_tiles / max(1, -(-row_tiles // parts))
    by_columns = column_tiles / max(1, -(-column_tiles // parts))
    # Where B is packed on the way, cutting rows would pack it in each part.
    rows = by_rows > by_columns if p.packs else by_rows >= by_columns
    count, step, end = (row_tiles, p.row_step, product.m) if rows else (column_tiles, p.column_step, product.n)
    cuts = [min(count * part // parts * step, end) for part in range(parts + 1)]
    return ("rows" if rows else "columns"), list(itertools.pairwise(cuts))


def scratch_bytes(target: Target, product: Product) -> int:
    """Private memory that the code needs in each thread."""
    return plan(target, product).scratch_bytes


def packed_bytes(target: Target, product: Product) -> int:
    """Memory for all packed panels of B; 0 if the code reads B where it lies."""
    return plan(target, product).packed_bytes


def flops(product: Product) -> int:
    """Multiplications and additions."""
    return 2 * product.m * product.n * product.k
