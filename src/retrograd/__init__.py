"""Backpropagation you can read, check and run at full speed."""

from retrograd.primitives import catalogue as _catalogue  # defines every primitive, before anything uses one
from retrograd.config import debug as debug, default_dtype as default_dtype
from retrograd.ops.arithmetic import *
from retrograd.ops.shaping import *
from retrograd.ops.reductions import *
from retrograd.ops.linear_algebra import *
from retrograd.ops.indexing import take, take_along_axis
from retrograd.tensor.tensor import Tensor as Tensor, tensor as tensor, asarray
from retrograd.tensor.parameter import Parameter as Parameter, Buffer, Setting
from retrograd.transforms.derivatives import *
from retrograd.transforms.vectorise import vmap
from retrograd.transforms.gradients import no_grad
from retrograd.transforms.control_flow import scan, fori_loop, while_loop, cond
from retrograd.ops import random
