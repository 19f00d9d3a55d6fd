"""Random numbers (``rg.random``): Philox4x32-10, bit-equal on every engine.

A generator is a cell that holds ``(key, counter)``; a draw advances the counter by an amount that depends on the shape
alone, so loops and compiled programs carry it like any other cell. Every function takes ``generator=``; without it the
one visible default, ``rg.random.default_generator``, is used. Under `vmap` each lane gets numbers of its own.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from retrograd.config import INT, draw_float
from retrograd.core.cells import Cell
from retrograd.core.dispatch import apply, current
from retrograd.core.types import check_dtype
from retrograd.errors import RetrogradError, UnsupportedDtype
from retrograd.ops import arithmetic as a
from retrograd.ops.indexing import concrete
from retrograd.ops.inputs import converted, face
from retrograd.ops.sorting import argsort
from retrograd.primitives.creation import U64, RandomBits, philox

_MASK = 0xFFFFFFFFFFFFFFFF


class Generator(Cell):
    """A stream of random numbers.

    Args:
        seed: any Python integer; its low 64 bits are the key.
    """

    __slots__ = ()

    def __init__(self, seed: int = 0) -> None:
        super().__init__(_state(seed), name="generator")

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of `seed` from its beginning."""
        current().assign(self, _state(seed))
        return self

    def __deepcopy__(self, memo: Any) -> Generator:
        copy = Generator()
        copy.rebind(self.array.copy() if self.array is not None else None)
        return copy


def _state(seed: int) -> np.ndarray:
    if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool):
        raise RetrogradError(f"a seed is an integer, not {type(seed).__name__}")
    return np.array([int(seed) & _MASK, 0], U64)


default_generator = Generator(0)


def manual_seed(seed: int) -> Generator:
    """Seed the default generator."""
    return default_generator.manual_seed(seed)


def _shape(shape: Any) -> tuple[int, ...]:
    found = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    if any(n < 0 for n in found):
        raise RetrogradError(f"a shape has no negative lengths: {found}")
    return tuple(int(n) for n in found)


def _draw(shape: tuple[int, ...], generator: Generator | None) -> Any:
    """uint32 words; the generator moves on."""
    source = default_generator if generator is None else generator
    active = current()
    words, following = apply(RandomBits.of(shape), active.read(source))
    active.assign(source, following)
    return words


def bits(shape: Any = (), *, generator: Generator | None = None) -> Any:
    """Uniform 32-bit words (uint32)."""
    return face(_draw(_shape(shape), generator))


def _unit(shape: tuple[int, ...], generator: Generator | None, dtype: np.dtype) -> Any:
    """Uniform on [0, 1): multiples of 2**-24 (float32) or 2**-53 (float64), each exactly representable."""
    if dtype == np.dtype("float32"):
        words = face(_draw(shape, generator))
        return face(converted(_shifted(words, 256), dtype)) * (2.0**-24)
    words = face(_draw((*shape, 2), generator))
    high, low = _shifted(words[..., 0], 32), _shifted(words[..., 1], 64)
    return face(converted(high, dtype)) * 2.0**-27 + face(converted(low, dtype)) * 2.0**-53


def _shifted(words: Any, divisor: int) -> Any:
    """Words // divisor for a power of two, exactly: float64 holds 32 bits and truncation drops the rest."""
    wide = converted(words, np.dtype("float64")) * (1.0 / divisor)
    return face(converted(wide, np.dtype("uint32")))


def _float(dtype: Any) -> np.dtype:
    wanted = check_dtype(np.dtype(dtype)) if dtype is not None else draw_float()
    if wanted.kind != "f":
        raise UnsupportedDtype(f"this draw gives floats, not {wanted}")
    return wanted


def uniform(
    shape: Any = (), low: Any = 0.0, high: Any = 1.0, *, generator: Generator | None = None, dtype: Any = None
) -> Any:
    """Uniform on [low, high)."""
    unit = _unit(_shape(shape), generator, _float(dtype))
    if type(low) is float and type(high) is float and (low, high) == (0.0, 1.0):
        return unit
    return unit * (high - low) + low


def normal(
    shape: Any = (), mean: Any = 0.0, std: Any = 1.0, *, generator: Generator | None = None, dtype: Any = None
) -> Any:
    """Normal, by Box and Muller (1958): two uniforms make one number."""
    wanted, shape = _float(dtype), _shape(shape)
    u = _unit((2, *shape), generator, wanted)
    radius = a.sqrt(-2.0 * a.log1p(-u[0]))  # 1 - u is never 0
    z = radius * a.cos(2.0 * math.pi * u[1])
    return z if (type(mean), type(std), mean, std) == (float, float, 0.0, 1.0) else z * std + mean


def integers(low: int, high: int, shape: Any = (), *, generator: Generator | None = None) -> Any:
    """Integers (int64) from `low` up to `high`, excluded.

    Each is a scaled 53-bit uniform: its bias is below (high - low) / 2**53.
    """
    if not low < high or high - low > 2**32:
        raise RetrogradError(f"integers from {low} to {high}: the range must hold between 1 and 2**32 numbers")
    unit = _unit(_shape(shape), generator, np.dtype("float64"))
    return face(converted(unit * float(high - low), INT)) + int(low)


def bernoulli(p: Any, shape: Any = (), *, generator: Generator | None = None) -> Any:
    """True with probability `p`."""
    return uniform(shape, generator=generator, dtype="float32") < p


def permutation(n: int, *, generator: Generator | None = None) -> Any:
    """The integers 0 to n - 1 (int64) in random order: they are sorted by 53 random bits each."""
    return argsort(_unit((n,), generator, np.dtype("float64")))


_NEW = "a new generator needs numbers: make it before the jitted function or the loop, and pass it in"


def split(generator: Generator, count: int = 2) -> list[Generator]:
    """Independent generators, keyed by draws from `generator`, which moves on by `count` draws."""
    made = []
    for _ in range(count):
        words = np.asarray(concrete(bits(2, generator=generator), _NEW), U64)
        made.append(Generator(int(words[0]) | int(words[1]) << 32))
    return made


def fold_in(generator: Generator, data: int) -> Generator:
    """The generator that belongs to `generator`'s key and an integer, whatever was drawn; nothing moves on."""
    state = concrete(current().read(generator), _NEW)
    words = philox(np.array([int(data) & _MASK], U64), int(state[0]) ^ 0x5DEECE66D)[0]
    return Generator(int(words[0]) | int(words[1]) << 32)
