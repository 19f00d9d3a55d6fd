"""How many threads NumPy's BLAS may use while a table's network is trained or predicts.

Small products get slower with every thread: on two busy cores a training step of 64-256-10 took 1.5 ms with one thread
and 20 ms with two. The rule looks at the network alone, so that training and predicting round alike.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

SMALL = 512 * 512
"""A layer of fewer weights is small."""


@contextmanager
def threads_for(widths: Sequence[int]) -> Iterator[None]:
    """Within the context BLAS uses one thread if every layer of a network is small, else as many as it likes.

    Args:
        widths: of the inputs, the hidden layers and the outputs.
    """
    if any(ins * outs >= SMALL for ins, outs in pairwise(widths)):
        yield
        return
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    with threadpool_limits(limits=1, user_api="blas"):
        yield
