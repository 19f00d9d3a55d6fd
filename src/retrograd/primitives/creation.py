"""Values from nothing: counting, and random bits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from retrograd.core.dispatch import apply
from retrograd.core.primitive import Primitive
from retrograd.core.types import ArrayType
from retrograd.errors import DTypeError
from retrograd.primitives.movement import Transpose

U32, U64 = np.dtype("uint32"), np.dtype("uint64")


@dataclass(frozen=True)
class Iota(Primitive):
    r"""The integers 0, 1, ..., length - 1. :math:`y_i = i`. No derivative."""

    length: int
    dtype: np.dtype
    name, formula, derivative, differentiable = "iota", "0, 1, ..., length - 1", "0", False

    @property
    def written_out(self) -> str:
        return f"arange({self.length})"

    @classmethod
    def instances(cls) -> Iterator[Primitive]:
        for length, dtype in ((5, "int64"), (3, "float32"), (0, "int64"), (4, "uint32")):
            yield cls.of(length, np.dtype(dtype))

    def evaluate(self) -> Any:
        return np.arange(self.length, dtype=self.dtype)

    def infer(self, *types: ArrayType) -> ArrayType:
        return ArrayType((self.length,), self.dtype)

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        yield ()


ROUNDS = 10
_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def philox(counter: np.ndarray, key: Any) -> np.ndarray:
    """Philox4x32-10: four 32-bit words for each 64-bit counter (the high half of the counter is 0).

    Args:
        counter: uint64 of shape (n,).
        key: 64 bits; an integer, or uint64 for which the counter has a last axis: (..., 1) and (..., n).

    Returns:
        uint32 of shape (n, 4). Salmon, Moraes, Dror and Shaw (2011), section 3.3.
    """
    key = np.asarray(key, U64)
    k0, k1 = key & _LOW, key >> _HALF
    c0, c1 = counter & _LOW, counter >> _HALF
    c2 = c3 = np.zeros_like(counter)
    for _ in range(ROUNDS):
        p0, p1 = _M0 * c0, _M1 * c2  # 32 by 32 bits: the product fits
        c0, c1, c2, c3 = (p1 >> _HALF) ^ c1 ^ k0, p1 & _LOW, (p0 >> _HALF) ^ c3 ^ k1, p0 & _LOW
        k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    return np.stack([c0, c1, c2, c3], -1).astype(U32)


@dataclass(frozen=True)
class RandomBits(Primitive):
    r"""Random 32-bit words (Philox4x32-10) and the generator's next state.

    The state is ``(key, counter)``, uint64 of shape (2,). A draw of :math:`n` words advances the counter by
    :math:`\lceil n / 4 \rceil`, whatever the values are. No derivative. With ``lanes`` there is a state, and a draw,
    for each of many generators: (\*lanes, 2) gives (\*lanes, \*shape).
    """

    shape: tuple[int, ...]
    lanes: tuple[int, ...] = ()
    name, formula, derivative = "random_bits", "philox(key, counter)", "0"
    differentiable, multi, draws = False, True, True

    @classmethod
    def instances(cls) -> Iterator[Primitive]:
        for shape in ((), (5,), (2, 4), (0,)):
            yield cls.of(shape)
        yield cls.of((5,), (3,))

    @property
    def blocks(self) -> int:
        """By how much the counter advances."""
        return -(-math.prod(self.shape) // 4)

    def evaluate(self, state: Any) -> Any:
        n = math.prod(self.shape)
        key, counter = state[..., :1], state[..., 1:]
        words = philox(counter + np.arange(self.blocks, dtype=U64), key)
        following = state + np.array([0, self.blocks], U64)  # modulo 2**64
        flat = words.reshape((*self.lanes, 4 * self.blocks))
        return flat[..., :n].reshape((*self.lanes, *self.shape)), following

    def infer(self, *types: ArrayType) -> Any:
        if types[0] != ArrayType((*self.lanes, 2), U64):
            raise DTypeError(f"a generator's state is u64{[*self.lanes, 2]}, got {types[0]}")
        return ArrayType((*self.lanes, *self.shape), U32), types[0]

    def batch(self, size: int, args: Sequence[Any], batched: Sequence[bool]) -> Any:
        """Lanes with generators of their own draw from these; one that they share gives a block for all of them."""
        if batched[0]:
            return apply(RandomBits.of(self.shape, (size, *self.lanes)), args[0]), (True, True)
        words, following = apply(RandomBits.of((size, *self.shape), self.lanes), args[0])
        if self.lanes:
            at = len(self.lanes)
            words = apply(Transpose.of((at, *range(at), *range(at + 1, at + 1 + len(self.shape)))), words)
        return (words, following), (True, False)

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        yield (rng.integers(0, 2**63, (*self.lanes, 2)).astype(U64),) if self.lanes else (np.array([7, 3], U64),)


def random_bits(state: Any, shape: tuple[int, ...]) -> Any:
    """(uint32 words of `shape`, next state)."""
    return apply(RandomBits.of(tuple(shape)), state)
