"""Every public name says what it is."""

import inspect
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "retrograd"


def test_public_names_exist_and_have_docstrings():
    import retrograd

    assert len(retrograd.__all__) == len(set(retrograd.__all__))
    silent = []
    for name in retrograd.__all__:
        thing = getattr(retrograd, name)
        speaks = inspect.ismodule(thing) or inspect.isclass(thing) or callable(thing)  # a constant such as pi does not
        if speaks and not (thing.__doc__ or "").strip():
            silent.append(name)
    assert silent == []
