"""`kernel`, the value in words of the kernel vocabulary, is the value that NumPy computes."""

import numpy as np
import pytest

from retrograd.primitives.catalogue import catalogue
from retrograd.primitives.families import Pointwise
from retrograd.primitives.vocabulary import NUMPY, TEXT, Symbol

SPELLED = [p for c in catalogue().values() if issubclass(c, Pointwise) and c.kernel is not Pointwise.kernel
           for p in c.instances() if np.asarray(next(p.samples(np.random.default_rng(0)))[0]).dtype.kind == "f"]  # fmt: skip
SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, 40.0, -40.0, 800.0, -800.0, np.inf, -np.inf, np.nan])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("prim", SPELLED, ids=repr)
def test_kernel_equals_evaluate(prim, dtype):
    samples = [*prim.samples(np.random.default_rng(0)), (SPECIAL, *[np.float64(v) for v in (-1.0, 1.0)])[: prim.arity]]
    for sample in samples:
        args = [np.asarray(a, dtype) for a in sample]
        with np.errstate(all="ignore"):
            found, wanted = prim.kernel(NUMPY, *args), prim.evaluate(*args)
        assert np.asarray(found).dtype == np.asarray(wanted).dtype == dtype
        np.testing.assert_allclose(found, wanted, rtol=4 * np.finfo(dtype).eps, atol=0)


def test_other_primitives_are_words_of_their_own():
    tanh = catalogue()["tanh"].of()
    assert not tanh.spelled
    assert tanh.kernel(TEXT, Symbol("x")).text == "tanh(x)"
