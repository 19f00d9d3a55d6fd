"""Sequential is a module and a sequence."""

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn
from retrograd.errors import RetrogradError


def test_modules_run_one_after_another():
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
    x = rg.ones((4, 2))
    np.testing.assert_array_equal(net(x).numpy(), rg.tanh(net[0](x)).numpy())
    assert nn.Sequential()(x) is x


def test_it_is_a_sequence():
    parts = [nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2)]
    net = nn.Sequential(*parts)
    assert list(net) == parts
    assert len(net) == 3
    assert (net[0], net[-1]) == (parts[0], parts[2])
    for i in (3, -4):
        with pytest.raises(IndexError, match=f"index {i} of a Sequential of 3"):
            net[i]


def test_slices_share_their_modules():
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2))
    tail = net[1:]
    assert list(tail) == [net[1], net[2]]
    assert list(tail.state_dict()) == ["1.weight", "1.bias"]
    assert net[2].weight.name == "2.weight"


def test_parts_are_exchanged_added_and_removed():
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
    versions = {net._version}
    net[1] = nn.ReLU()
    versions.add(net._version)
    assert net.append(nn.Linear(3, 1)) is net
    versions.add(net._version)
    assert net[2].weight.name == "2.weight"
    del net[0]
    versions.add(net._version)
    assert list(net.state_dict()) == ["1.weight", "1.bias"]
    assert len(versions) == 4


def test_a_dict_names_the_parts():
    net = nn.Sequential({"hidden": nn.Linear(2, 3), "out": nn.Linear(3, 1)})
    assert list(net.state_dict()) == ["hidden.weight", "hidden.bias", "out.weight", "out.bias"]
    assert net[1].bias.name == "out.bias"
    assert list(net[:1].state_dict()) == ["hidden.weight", "hidden.bias"]


@pytest.mark.parametrize(
    "part, hint",
    [(rg.tanh, r"activations have layers, rg\.nn\.Tanh\(\)"), ([nn.Tanh()], r"Sequential\(\*layers\)"), (3, "int")],
)
def test_what_is_no_module_is_refused(part, hint):
    with pytest.raises(RetrogradError, match=f"part 0 of a Sequential is a .*{hint}"):
        nn.Sequential(part)


def test_other_attributes_are_found_too():
    net = nn.Sequential(nn.Linear(1, 1, bias=False))
    net.scale = nn.Parameter([2.0])
    assert list(net.state_dict()) == ["scale", "0.weight"]
