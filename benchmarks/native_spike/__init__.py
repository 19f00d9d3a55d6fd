"""A spike: one jitted training loop through LLVM, as crudely as possible (docs/decisions/0002-native-spike.md).

It exists so that the kernel vocabulary, cells and Graph meet a native user before they harden. It is no engine: scalar
loops left to LLVM's own passes, a buffer for every variable, nothing fused. `python -m benchmarks.native_spike`.

Read `words.py` (the vocabulary over LLVM values), `loops.py` (arrays and loop nests as text), `lowering.py` (what each
primitive becomes), `program.py` (compile, call, commit).
"""
