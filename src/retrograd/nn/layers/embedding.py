"""Embedding."""

from __future__ import annotations

from typing import Any

from retrograd.nn import init
from retrograd.nn.functions import embedding
from retrograd.nn.module import Module
from retrograd.ops.random import Generator
from retrograd.tensor.parameter import Parameter


class Embedding(Module):
    """A vector for each of `num_embeddings` indices: integers (...) to (..., embedding_dim).

    The table starts normal with variance 1, as in PyTorch.

    Args:
        num_embeddings: how many indices there are.
        embedding_dim: the length of a vector.
        dtype: of the table; by default the default float.
        generator: where the draws come from.

    Attributes:
        weight: (num_embeddings, embedding_dim).
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, *, dtype: Any = None, generator: Generator | None = None
    ) -> None:
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.weight = Parameter(init.normal((num_embeddings, embedding_dim), generator=generator, dtype=dtype))

    def forward(self, input: Any) -> Any:
        return embedding(input, self.weight)

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}"
