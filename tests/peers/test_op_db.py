"""PyTorch's own samples: value and gradient of every function that both have, with PyTorch's tolerances."""

import pytest

from scripts import generate_op_db
from tests.peers.adapters import ADAPTERS

pytestmark = [
    pytest.mark.peers,
    pytest.mark.filterwarnings("ignore"),  # PyTorch's test utilities warn about themselves
]

# Entries that must be run: a typing error in a name would drop them without a word.
ENTRIES = sorted(ADAPTERS)


@pytest.fixture(scope="module")
def op_db():
    pytest.importorskip("torch")
    pytest.importorskip("expecttest")
    from tests.peers import op_db

    return op_db


@pytest.mark.parametrize("name", ENTRIES)
def test_entry(op_db, name):
    assert name in op_db.ENTRIES or name in MISSING, f"PyTorch has no entry {name}"
    if name in op_db.ENTRIES:
        outcome = op_db.outcome(name)
        assert outcome.failures == []
        assert outcome.run or name in ALL_EXCEPTIONS


# Entries that some supported versions of PyTorch lack.
MISSING = {
    "permute_copy",
    "view_copy",
    "expand_copy",
    "transpose_copy",
    "squeeze_copy",
    "unsqueeze_copy",
    "t_copy",
    "unbind_copy",
}
ALL_EXCEPTIONS = {"nn.functional.softplus"}  # every sample sets a threshold


def test_the_page_is_up_to_date(op_db):
    import torch

    version = torch.__version__.split("+")[0]
    text = generate_op_db.PAGE.read_text(encoding="utf-8")
    if f"torch\n{version})" not in text:
        pytest.skip("the page was made with another version of PyTorch")
    assert text == generate_op_db.page(op_db.outcomes(), len(op_db.ENTRIES), version)
