"""Modules find their parts, name them, and take values."""

import copy
import re

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn
from retrograd.errors import CellError, RetrogradError, TracingError


class Block(nn.Module):
    """One of everything."""

    def __init__(self):
        self.inner = nn.Linear(2, 3)
        self.scale = nn.Parameter([1.0, 2.0])
        self.count = nn.Buffer(0)
        self.pair = (nn.Parameter([1.0]), 7)
        self.layers = [nn.Linear(1, 1, bias=False), [nn.Parameter([5.0])]]
        self.heads = {"a": nn.Linear(3, 1), "b": None}
        self.width = 3
        self.note = "text"

    def forward(self, x):
        return self.inner(x)


PATHS = [
    "scale", "count", "inner.weight", "inner.bias", "pair.0", "layers.0.weight", "layers.1.0", "heads.a.weight",
    "heads.a.bias",
]  # fmt: skip


def test_parts_are_found_in_attributes_lists_tuples_and_dicts():
    block = Block()
    assert list(block.state_dict()) == PATHS
    assert [name for name, _ in block.named_parameters()] == [p for p in PATHS if p != "count"]
    assert [name for name, _ in block.named_buffers()] == ["count"]
    assert [name for name, _ in block.named_modules()] == ["", "inner", "layers.0", "heads.a"]
    assert next(block.parameters()) is block.scale
    assert list(block.buffers()) == [block.count]
    assert next(block.modules()) is block


def test_cells_are_called_by_their_path():
    outer = nn.Sequential(Block())
    assert [cell.name for _, cell in outer.named_parameters()] == [f"0.{p}" for p in PATHS if p != "count"]


def test_a_module_without_parts():
    empty = nn.Module()
    assert empty.state_dict() == {}
    assert list(empty.parameters()) == []
    with pytest.raises(RetrogradError, match="Module has no forward"):
        empty(1)


def test_a_base_constructor_need_not_be_called():
    block = Block()
    assert block.training
    assert block(rg.tensor([1.0, 2.0])).shape == (3,)


# Assignment -----------------------------------------------------------------------------------------------------------


def test_assigning_a_value_changes_the_cell_and_keeps_it():
    layer = nn.Linear(2, 3)
    weight, version = layer.weight, layer._version
    for value in (np.full((3, 2), 7.0, np.float32), rg.full((3, 2), 7.0), [[7.0, 7.0]] * 3, weight * 0 + 7.0):
        layer.weight = 0 * weight
        layer.weight = value
        assert layer.weight is weight
        np.testing.assert_array_equal(weight.numpy(), np.full((3, 2), 7.0))
    assert layer._version == version


@pytest.mark.parametrize("value", [np.zeros((2, 3), "f"), np.zeros((3, 2)), np.zeros((3, 2), int), 0.0])
def test_assigning_another_shape_or_dtype_is_refused(value):
    layer = nn.Linear(2, 3)
    before = layer.weight.numpy()
    with pytest.raises(CellError, match=r"weight holds f32\[3,2\], not "):
        layer.weight = value
    assert layer.weight.numpy() is not before
    np.testing.assert_array_equal(layer.weight.numpy(), before)


def test_the_message_names_the_path_and_both_shapes():
    model = nn.Sequential(nn.Linear(2, 3))
    with pytest.raises(CellError, match=re.escape("0.weight holds f32[3,2], not f32[2,3]: the shapes differ")):
        model[0].weight = np.zeros((2, 3), np.float32)


def test_assigning_a_parameter_shares_it():
    encoder, decoder = nn.Linear(2, 3, bias=False), nn.Linear(2, 3, bias=False)
    version = decoder._version
    decoder.weight = encoder.weight
    assert decoder.weight is encoder.weight
    assert decoder._version != version
    both = nn.Sequential(encoder, decoder)
    assert [name for name, _ in both.named_parameters()] == ["0.weight"]
    assert list(both.state_dict()) == ["0.weight", "1.weight"]
    assert encoder.weight.name == "0.weight"


def test_none_removes_a_parameter():
    layer = nn.Linear(2, 3)
    layer.bias = None
    assert list(layer.state_dict()) == ["weight"]
    assert layer(rg.zeros(2)).tolist() == [0, 0, 0]


def test_buffers_and_settings_are_assigned_too():
    block = Block()
    block.temperature = rg.Setting(1.0)
    cells = block.count, block.temperature
    block.count = 5
    block.temperature = 0.5
    assert (block.count, block.temperature) == cells
    assert (block.count.item(), block.temperature.item()) == (5, 0.5)


def test_a_value_can_be_assigned_in_forward():
    class Count(nn.Module):
        def __init__(self):
            self.calls = nn.Buffer(0)

        def forward(self, x):
            self.calls = self.calls + 1
            return x

    count = Count()
    version = count._version
    count(1.0), count(1.0)
    assert count.calls.item() == 2
    assert count._version == version


# The structure version ------------------------------------------------------------------------------------------------


def test_the_version_changes_with_the_structure_alone():
    block = Block()
    versions = [block._version]

    def is_other():
        versions.append(block._version)
        return versions[-1] not in versions[:-1]

    block.width = 4
    block.scale = [0.0, 0.0]
    block.inner.weight = np.zeros((3, 2), np.float32)
    Block()  # somebody else's structure
    assert not is_other()
    block.more = nn.Parameter([1.0])
    assert is_other()
    del block.more
    assert is_other()
    block.inner.extra = nn.Buffer([1.0])
    assert is_other()
    block.layers.append(nn.Linear(1, 2))
    assert is_other()
    block.layers[1][0] = nn.Parameter([1.0])
    assert is_other()
    block.heads["b"] = nn.Linear(1, 1)
    assert is_other()
    block.heads["c"] = block.heads.pop("b")
    assert is_other()
    block.inner = nn.Linear(2, 3)
    assert is_other()
    block.layers = []
    assert is_other()
    block.layers.append(nn.Tanh())
    assert is_other()
    block.eval()
    assert not is_other()


def test_a_part_that_a_list_gains_later_is_named():
    block = Block()
    block.layers.append(nn.Linear(1, 2))
    outer = nn.Sequential(block)
    assert list(outer.state_dict())[-4:-2] == ["0.layers.2.weight", "0.layers.2.bias"]
    assert block.layers[2].weight.name == "0.layers.2.weight"


def test_a_module_that_holds_itself_is_refused():
    block = Block()
    with pytest.raises(RetrogradError, match=r"inner\.parent is a module that holds itself"):
        block.inner.parent = block


# Training mode --------------------------------------------------------------------------------------------------------


def test_train_and_eval_reach_every_part():
    block = Block()
    assert block.eval() is block
    assert [m.training for m in block.modules()] == [False] * 4
    block.train()
    assert [m.training for m in block.modules()] == [True] * 4


def test_training_mode_is_key_to_jit():
    model = nn.Sequential(nn.Dropout(0.5))
    run = rg.jit(lambda x: model(x))
    x = rg.ones(64)
    assert (run(x) == 0).numpy().any()
    model.eval()
    assert not (run(x) == 0).numpy().any()
    model.train()
    assert (run(x) == 0).numpy().any()
    model[0].p = 1.0
    assert (run(x) == 0).numpy().all()


def test_the_mode_is_not_set_inside_a_trace():
    model = nn.Sequential(nn.Dropout(0.5))
    with pytest.raises(TracingError, match=r"Sequential\.training was set inside a traced function"):
        rg.jit(lambda x: model.eval()(x))(rg.ones(2))
    assert model.training


# Gradients ------------------------------------------------------------------------------------------------------------


def test_zero_grad_clears_every_gradient():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    model(rg.ones((1, 2))).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())
    model.zero_grad()


def test_frozen_parameters_get_no_gradient():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    model(rg.ones((1, 2))).sum().backward()  # the leaves exist already
    model.zero_grad()
    assert model[0].requires_grad_(False) is model[0]
    model(rg.ones((1, 2))).sum().backward()
    assert [p.grad is None for p in model.parameters()] == [True, True, False, False]
    assert "weight f32[3,2] (frozen)" in repr(model)
    model[0].requires_grad_()
    model.zero_grad()
    model(rg.ones((1, 2))).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


# Copies and text ------------------------------------------------------------------------------------------------------


def test_a_deep_copy_is_independent_and_keeps_sharing():
    model = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2))
    model[2].weight = model[0].weight
    model.eval()
    other = copy.deepcopy(model)
    assert other[2].weight is other[0].weight
    assert other[0].weight is not model[0].weight
    assert not other.training
    assert other._version != model._version
    other[0].weight = np.zeros((2, 2), np.float32)
    assert model[0].weight.numpy().any()
    assert [c.name for c in other.parameters()] == [c.name for c in model.parameters()]


def test_repr_shows_shapes_and_counts():
    model = nn.Sequential(nn.Linear(64, 100), nn.Tanh(), nn.Linear(100, 10, bias=False))
    assert repr(model) == (
        "Sequential(   7,500 parameters\n"
        "  0: Linear(64, 100)   weight f32[100,64], bias f32[100]\n"
        "  1: Tanh()\n"
        "  2: Linear(100, 10)   weight f32[10,100]\n"
        ")"
    )
    assert repr(nn.Tanh()) == "Tanh()   0 parameters"
    assert repr(nn.Sequential()) == "Sequential()   0 parameters"
    assert repr(Block()).splitlines() == [
        "Block(scale f32[2], count i64, pair.0 f32[1], layers.1.0 f32[1]   18 parameters",
        "  inner: Linear(2, 3)   weight f32[3,2], bias f32[3]",
        "  layers.0: Linear(1, 1)   weight f32[1,1]",
        "  heads.a: Linear(3, 1)   weight f32[1,3], bias f32[1]",
        ")",
    ]
