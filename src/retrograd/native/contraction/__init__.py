"""Products of matrices as LLVM IR: sizes and strides are known, what happens to the result is the caller's."""

from retrograd.native.contraction.emit import emit as emit
from retrograd.native.contraction.emit import pack as pack
from retrograd.native.contraction.planning import Operand as Operand
from retrograd.native.contraction.planning import Plan as Plan
from retrograd.native.contraction.planning import Product as Product
from retrograd.native.contraction.planning import flops as flops
from retrograd.native.contraction.planning import packed_bytes as packed_bytes
from retrograd.native.contraction.planning import plan as plan
from retrograd.native.contraction.planning import scratch_bytes as scratch_bytes
from retrograd.native.contraction.planning import shares as shares
