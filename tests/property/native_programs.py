"""Random programs with loops: bodies that move, index, multiply, branch and loop again over what they carry.

A program works on vectors of 4 and matrices of 3 x 4; every operation keeps values near 1, so that many steps can
follow each other.
"""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

import retrograd as rg

N, M = 4, 3


def place(i):
    """A row of the matrix: every loop has at most 3 iterations."""
    return rg.asarray(i)


def around(i, step=1):
    """The places of a vector, from `i` on, and from the first one again."""
    numbers = rg.arange(N) * step + rg.asarray(i)
    numbers = rg.where(numbers >= N, numbers - N, numbers)
    return rg.where(numbers >= N, numbers - N, numbers)


VECTOR = {  # from two vectors, a matrix and the index of the loop
    "tanh": lambda v, w, m, i: rg.tanh(v),
    "half": lambda v, w, m, i: v * 0.5 + w * 0.5,
    "turn": lambda v, w, m, i: rg.concatenate([v[1:], v[:1]]),
    "shift": lambda v, w, m, i: rg.concatenate([v[:1], v[:-1]]),
    "other shift": lambda v, w, m, i: rg.concatenate([w[2:], v[:2]]),
    "flip": lambda v, w, m, i: rg.flip(v, axis=0),
    "row": lambda v, w, m, i: m[place(i)],
    "rows": lambda v, w, m, i: rg.mean(m[rg.stack([place(i), place(i) - M])], axis=0),
    "take": lambda v, w, m, i: v[around(i)],
    "columns": lambda v, w, m, i: rg.mean(m, axis=0),
    "greater": lambda v, w, m, i: rg.where(v > w, v, w),
    "largest": lambda v, w, m, i: rg.max(m, axis=0),
    "smallest": lambda v, w, m, i: rg.min(m, axis=0),
    "running": lambda v, w, m, i: rg.tanh(rg.cumsum(v * w)),
    "products": lambda v, w, m, i: rg.cumprod(rg.tanh(v)),
    "rolled": lambda v, w, m, i: rg.roll(w, 2) * rg.prod(rg.tanh(m), axis=0),
    "centred": lambda v, w, m, i: v - rg.mean(v),
    "softmax": lambda v, w, m, i: rg.softmax(v),
    "place": lambda v, w, m, i: v.at[rg.argmax(w)].set(rg.mean(w)),
    "add at": lambda v, w, m, i: v.at[around(i, 2)].add(w * 0.1) * 0.7,
    "product": lambda v, w, m, i: rg.tanh(m.T @ (m @ v)),
    "counted": lambda v, w, m, i: v / (rg.asarray(i) + 1),
    "same": lambda v, w, m, i: v,
}
MATRIX = {
    "tanh": lambda v, w, m, i: rg.tanh(m),
    "add": lambda v, w, m, i: m * 0.5 + v * 0.5,
    "flip": lambda v, w, m, i: rg.flip(m, axis=1),
    "turn": lambda v, w, m, i: rg.concatenate([m[1:], m[:1]]),
    "push": lambda v, w, m, i: rg.concatenate([v[None], m[:-1]]),
    "reshape": lambda v, w, m, i: m.T.reshape(M, N),
    "set row": lambda v, w, m, i: m.at[place(i)].set(v),
    "outer": lambda v, w, m, i: rg.tanh(v[:M, None] * w),
    "product": lambda v, w, m, i: rg.tanh((m @ m.T) @ m),
    "norm": lambda v, w, m, i: (m - rg.mean(m, axis=1, keepdims=True)) * 0.9,
    "same": lambda v, w, m, i: m,
}


@dataclass(frozen=True)
class Block:
    """Steps over vectors and matrices, and which values go on: two vectors and a matrix."""

    steps: tuple  # (kind, name or inner block, vector, vector, matrix)
    picks: tuple[int, int, int]

    def run(self, state, i):
        vectors, matrices = [state[0], state[1]], [state[2]]
        for kind, what, a, b, c in self.steps:
            v, w, m = vectors[a % len(vectors)], vectors[b % len(vectors)], matrices[c % len(matrices)]
            if kind == "vector":
                vectors.append(VECTOR[what](v, w, m, i))
            elif kind == "matrix":
                matrices.append(MATRIX[what](v, w, m, i))
            else:
                first, second, third = LOOPS[kind](what, (v, w, m), i)
                vectors += [first, second]
                matrices.append(third)
        a, b, c = self.picks
        return vectors[-1 - a % len(vectors)], vectors[-1 - b % len(vectors)], matrices[-1 - c % len(matrices)]


def scan(block, state, i):
    """The stacked second vectors go back into the matrix."""
    xs = state[2]

    def body(carry, x):
        v, w, m = block.run((carry[0], x, carry[2]), i)
        return (v, w, m), w

    (v, w, m), stack = rg.scan(body, state, xs)
    return v, w, stack * 0.5 + m * 0.5


def backwards(block, state, i):
    (v, w, m), stack = rg.scan(lambda c, j: (block.run(c, j), c[0]), state, rg.arange(M), reverse=True)
    return v, w, rg.where(stack > 0, stack, m)


def fori(block, state, i):
    return rg.fori_loop(0, 3, lambda j, s: block.run(s, j), state)


def while_(block, state, i):
    def body(s):
        return s[0] + 1, block.run(s[1], s[0])

    return rg.while_loop(lambda s: s[0] < 2, body, (rg.asarray(0), state), max_iterations=3)[1]


def unrolled(block, state, i):
    return block.run(block.run(state, i), i)


def branch(block, state, i):
    return rg.cond(rg.sum(state[0]) > 0.37, lambda s: block.run(s, i), lambda s: (s[1], s[0], s[2] * 0.5), state)


def repeated(block, state, i):
    return rg.checkpoint(lambda *s: block.run(s, i))(*state)


LOOPS = {
    "scan": scan, "backwards": backwards, "fori": fori, "while": while_, "unrolled": unrolled, "cond": branch,
    "checkpoint": repeated,
}  # fmt: skip


def blocks(depth, steps=5):
    number = st.integers(0, 7)
    pointwise = [
        st.tuples(st.just("vector"), st.sampled_from(sorted(VECTOR)), number, number, number),
        st.tuples(st.just("matrix"), st.sampled_from(sorted(MATRIX)), number, number, number),
    ]
    if depth:
        inner = blocks(depth - 1, max(steps - 2, 2))
        pointwise.append(st.tuples(st.sampled_from(sorted(LOOPS)), inner, number, number, number))
    return st.builds(
        Block, st.lists(st.one_of(pointwise), min_size=1, max_size=steps).map(tuple), st.tuples(number, number, number)
    )


def loops(steps=5):
    """A loop around a block that may hold loops."""
    return st.tuples(st.sampled_from(sorted(LOOPS)), blocks(1, steps))


def state_of(seed, dtype):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=s).astype(dtype) for s in ((N,), (N,), (M, N))]


def function(program):
    kind, block = program
    return lambda *state: LOOPS[kind](block, tuple(map(rg.asarray, state)), 0)
