"""Catalogue x samples: native code gives what the interpreters give, on any number of threads, at every CPU level."""

import pytest

pytest.importorskip("llvmlite")

from retrograd.errors import RetrogradError
from retrograd.native.llvm import program
from retrograd.native.llvm.program import ProgramWriter
from retrograd.native.lower.lowering import lower
from retrograd.native.lower.memory import plan
from retrograd.native.runtime import linker
from retrograd.native.runtime.cpu import FEATURES, describe, target_for
from retrograd.passes.backend import for_loops
from retrograd.primitives.catalogue import catalogue
from retrograd.testing import native_laws
from retrograd.testing.cases import cases_of

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
PRIMITIVES = catalogue()
INTEGERS = ("int64", "int32", "int8", "uint8", "uint64", "bool")
QUICK = ("add", "exp", "tanh", "power", "sum", "max", "matmul", "affine", "softmax", "layer_norm", "gather", "scan")


def cases(name, integers=True):
    """Every sample of a primitive, in float64, in float32 and where it takes them in integers."""
    for prim in PRIMITIVES[name].instances():
        for case in cases_of(prim):
            others = [native_laws.in_dtype(case, dtype) for dtype in INTEGERS if integers]
            yield from (c for c in (case, native_laws.narrowed(case), *others) if c is not None)


def marked(quick, *others):
    """The primitives, those that are not `quick` in the deep ring."""
    return [
        pytest.param(name, *o, marks=[] if name in quick else [pytest.mark.deep], id="-".join((*o, name)))
        for o in (others or [()])
        for name in PRIMITIVES
    ]


@pytest.mark.parametrize("name", PRIMITIVES)
def test_native_code_gives_what_the_interpreters_give(name):
    """In value, gradient, tangent and over lanes; whatever lies in memory, however the arguments lie in theirs."""
    for case in cases(name):
        compared = native_laws.compared(case)
        native_laws.steady(compared, native_laws.agree(compared))


@pytest.mark.parametrize("name", marked(("add", "sum", "matmul", "gather", "scan")))
def test_the_number_of_threads_does_not_matter(name, monkeypatch):
    monkeypatch.setattr(program, "WORTH_SPLITTING", -1.0)  # samples are small
    for case in cases(name, integers=False):
        native_laws.threads(native_laws.compared(case))


@pytest.mark.parametrize("name", marked(()))
def test_each_question_by_itself(name):
    """Programs of one part are fused otherwise than all parts together."""
    for case in cases(name):
        for part in native_laws.PARTS:
            compared = native_laws.compared(case, [part])
            if compared.names:
                native_laws.agree(compared)


@pytest.mark.parametrize("name", marked(("sum", "matmul", "exp", "convert", "scan")))
def test_outputs_may_lie_where_inputs_did(name):
    for case in cases(name, integers=False):
        native_laws.in_place(native_laws.compared(case))


@pytest.mark.parametrize("name, level", [
    pytest.param(name, level, marks=[] if name in QUICK[::2] and level == "x86-64-v2" else [pytest.mark.deep])
    for level in FEATURES
    for name in PRIMITIVES
])  # fmt: skip
def test_at_each_cpu_level(name, level):
    """Native code for the level agrees; where this host is below it, the code can at least be made."""
    target = describe(level, "x86_64", level, dict.fromkeys(FEATURES[level], True))
    try:
        target = target_for(level)
        runs = True
    except RetrogradError:
        runs = False
    for case in cases(name):
        compared = native_laws.compared(case)
        if runs:
            native_laws.steady(compared, native_laws.agree(compared, target))
        else:
            loops = lower(for_loops(compared.graph))
            plan(loops)
            assert linker.compile_text(str(ProgramWriter(target, loops).write()), target)
