"""state_dict, load_state_dict, parameters_tree, load_tree."""

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn
from retrograd.errors import CellError, ModelError, RetrogradError


def model():
    return nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))


def test_a_state_dict_is_a_copy():
    net = model()
    state = net.state_dict()
    before = net[0].weight.numpy().copy()
    assert all(type(v) is np.ndarray and v.flags.writeable for v in state.values())
    state["0.weight"][:] = 0
    np.testing.assert_array_equal(net[0].weight.numpy(), before)


def test_loading_gives_the_same_network():
    a, b = model(), model()
    assert b.load_state_dict(a.state_dict()) == ([], [])
    x = rg.ones((4, 2))
    np.testing.assert_array_equal(a(x).numpy(), b(x).numpy())


def test_loading_copies_and_converts_widths():
    net = model()
    wide = {n: v.astype(np.float64) + 1 for n, v in net.state_dict().items()}
    net.load_state_dict(wide)
    wide["0.bias"][:] = 0
    assert net[0].bias.dtype == np.float32
    assert net[0].bias.numpy().all()


def test_tensors_parameters_and_lists_are_loaded():
    net = nn.Linear(1, 1)
    net.load_state_dict({"weight": rg.tensor([[2.0]]), "bias": nn.Parameter([1.0])})
    assert (net.weight.item(), net.bias.item()) == (2.0, 1.0)
    net.load_state_dict({"weight": [[3.0]], "bias": np.float64([4.0])})
    assert (net.weight.item(), net.bias.item()) == (3.0, 4.0)


def test_everything_wrong_is_named_and_nothing_is_loaded():
    net = model()
    before = net.state_dict()
    state = {n: v + 1 for n, v in before.items()}
    state["0.weight"] = state["0.weight"].T
    state["3.weight"] = state.pop("2.weight")
    with pytest.raises(ModelError) as error:
        net.load_state_dict(state)
    for part in (
        "does not fit the Sequential, nothing was loaded",
        "missing: 2.weight",
        "unexpected: 3.weight",
        "0.weight: the value has shape (2, 3), the module (3, 2)",
    ):
        assert part in str(error.value)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_without_strict_the_common_paths_are_loaded():
    net = model()
    mismatch = net.load_state_dict({"0.bias": np.ones(3), "other": np.ones(1)}, strict=False)
    assert mismatch.missing_keys == ["0.weight", "2.weight", "2.bias"]
    assert mismatch.unexpected_keys == ["other"]
    assert net[0].bias.tolist() == [1, 1, 1]
    with pytest.raises(ModelError, match="shape"):
        net.load_state_dict({"0.bias": np.ones(2)}, strict=False)


def test_kinds_of_numbers_do_not_mix_and_integers_have_to_fit():
    class Counter(nn.Module):
        def __init__(self):
            self.count = nn.Buffer(0, dtype="int32")

    counter = Counter()
    counter.load_state_dict({"count": np.int64(7)})
    assert counter.count.item() == 7
    for bad in (np.int64(2**40), np.float32(1.0)):
        with pytest.raises(ModelError, match="the module int32"):
            counter.load_state_dict({"count": bad})


def test_a_state_dict_inside_a_trace_is_refused():
    net = model()
    with pytest.raises(TypeError, match="a state_dict holds numbers"):
        rg.jit(lambda: net.state_dict())()


def test_the_tree_of_parameters_goes_there_and_back():
    net = model()
    tree = net.parameters_tree()
    assert list(tree) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert not any(v.requires_grad for v in tree.values())
    snapshot = tree["0.bias"].numpy().copy()
    net.load_tree({name: value + 1.0 for name, value in tree.items()})
    np.testing.assert_array_equal(tree["0.bias"].numpy(), snapshot)
    np.testing.assert_array_equal(net[0].bias.numpy(), snapshot + 1)


def test_nested_dicts_and_parts_of_a_tree_are_loaded():
    net = model()
    net.load_tree({"0": {"bias": np.ones(3, np.float32)}, "2": {"bias": rg.ones(1)}})
    assert net[0].bias.tolist() == [1, 1, 1]
    assert net[2].bias.tolist() == [1]


def test_a_tree_that_does_not_fit_changes_nothing():
    net = model()
    before = net.state_dict()
    with pytest.raises(RetrogradError, match=r"the Sequential has no '0.wait'; it has 0.weight, 0.bias"):
        net.load_tree({"0.bias": rg.ones(3), "0.wait": rg.ones(1)})
    with pytest.raises(CellError, match=r"2.bias holds f32\[1\], not f32\[2\]"):
        net.load_tree({"0.bias": rg.ones(3), "2.bias": rg.ones(2)})
    with pytest.raises(RetrogradError, match="a dict by path"):
        net.load_tree([rg.ones(3)])
    np.testing.assert_array_equal(net[0].bias.numpy(), before["0.bias"])


def test_load_tree_is_traced():
    net = model()

    @rg.jit
    def double():
        net.load_tree({name: value * 2.0 for name, value in net.parameters_tree().items()})

    before = net.state_dict()
    double()
    double()
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name] * 4)
