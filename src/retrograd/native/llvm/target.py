"""What the code is made for: the width of vectors, and the features of the CPU."""

from __future__ import annotations

from dataclasses import dataclass

LEVELS = {"x86-64-v2": 16, "x86-64-v3": 32, "x86-64-v4": 64}  # bytes in a vector register


@dataclass(frozen=True)
class Target:
    """The machine that the code is made for.

    Attributes:
        cpu: LLVM's name of the CPU.
        features: LLVM's feature string.
        vector_bytes: size of a vector register that arithmetic is to use.
        registers: how many of them there are.
        fma: whether there is a fused multiply-add.
        l1, l2, l3: bytes of the data caches that one core sees.
        threads: how many threads a program may use.
    """

    cpu: str
    features: str
    vector_bytes: int
    registers: int
    fma: bool
    l1: int = 32 << 10
    l2: int = 1 << 20
    l3: int = 16 << 20
    threads: int = 1

    def lanes(self, itemsize: int) -> int:
        """How many elements of a size fit a register."""
        return self.vector_bytes // itemsize
