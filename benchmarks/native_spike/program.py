"""Compile a jitted function's program, call it, commit to its cells."""

import ctypes
from threading import Lock
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from benchmarks.native_spike.loops import Code
from benchmarks.native_spike.lowering import lower
from retrograd.core.cells import Cell, commit
from retrograd.core.tree import unflatten
from retrograd.core.types import ArrayType


class NativeProgram:
    """The program that `jitted` ran last, in native code: the same arguments, results and effects on cells."""

    def __init__(self, jitted: Any) -> None:
        self.program = jitted.last
        self.traced = jitted.last.traced
        graph = self.traced.graph
        code = Code()
        inputs = [code.buffer(t, f"in{i}") for i, t in enumerate(graph.in_types)]
        for i, (out, t) in enumerate(zip(lower(code, graph, inputs), graph.out_types, strict=True)):
            code.copy(out, code.buffer(t, f"out{i}"))
        self.llvm_ir = code.module()
        self.engine = _compile(self.llvm_ir)
        self.run = ctypes.CFUNCTYPE(None)(self.engine.get_function_address("run"))
        self.inputs = [self._array(f"in{i}", t) for i, t in enumerate(graph.in_types)]
        self.outputs = [self._array(f"out{i}", t) for i, t in enumerate(graph.out_types)]
        self.lock = Lock()  # the buffers are the program's own: one call at a time
        self.copies = 0

    def _array(self, symbol: str, type: ArrayType) -> np.ndarray:
        memory = (ctypes.c_char * (type.size * type.dtype.itemsize)).from_address(
            self.engine.get_global_value_address(symbol)
        )
        return np.frombuffer(memory, type.dtype).reshape(type.shape)

    def __call__(self, *args: Any) -> Any:
        with self.program._locked(), self.lock:
            values = [a.value for a in args]
            values += [e.array if isinstance(e, Cell) else getattr(e, "value", e) for e in self.traced.extras]
            for target, value in zip(self.inputs, values, strict=True):
                np.copyto(target, value)
            self.run()
            results = [o.copy() for o in self.outputs[: self.traced.n_results]]
            lasts = self.outputs[self.traced.n_results :]
            written = zip(self.traced.written, lasts, self.traced.guards(self.outputs), strict=False)
            changed = [(cell, value) for cell, value, guard in written if guard is None or guard]
            changed += [(cell, None) for cell in self.traced.cleared]
            self.copies += commit([c for c, _ in changed], [v for _, v in changed], borrowed=True)
        return unflatten(self.program.structure, self.program._faces(results))


def _compile(text: str) -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(text)
    module.verify()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=2, jit=True
    )
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=2))
    builder.getModulePassManager().run(module, builder)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return engine
