"""Networks: modules, layers and losses with PyTorch's names, layouts and arguments.

Functions of layers and losses stand beside the modules (`Linear` and `linear`). Models are also functions of their
parameters: `value_and_grad`, `functional_call`, `stack`.
"""

from retrograd.nn import init as init
from retrograd.nn.flat import closure as closure
from retrograd.nn.flat import parameters_to_vector as parameters_to_vector
from retrograd.nn.flat import vector_to_parameters as vector_to_parameters
from retrograd.nn.functional import functional_call as functional_call
from retrograd.nn.functional import value_and_grad as value_and_grad
from retrograd.nn.functions import dropout as dropout
from retrograd.nn.functions import embedding as embedding
from retrograd.nn.functions import flatten as flatten
from retrograd.nn.functions import gelu as gelu
from retrograd.nn.functions import layer_norm as layer_norm
from retrograd.nn.functions import leaky_relu as leaky_relu
from retrograd.nn.functions import linear as linear
from retrograd.nn.functions import log_softmax as log_softmax
from retrograd.nn.functions import relu as relu
from retrograd.nn.functions import sigmoid as sigmoid
from retrograd.nn.functions import silu as silu
from retrograd.nn.functions import softmax as softmax
from retrograd.nn.functions import softplus as softplus
from retrograd.nn.functions import tanh as tanh
from retrograd.nn.layers.activation import GELU as GELU
from retrograd.nn.layers.activation import LeakyReLU as LeakyReLU
from retrograd.nn.layers.activation import LogSoftmax as LogSoftmax
from retrograd.nn.layers.activation import ReLU as ReLU
from retrograd.nn.layers.activation import Sigmoid as Sigmoid
from retrograd.nn.layers.activation import SiLU as SiLU
from retrograd.nn.layers.activation import Softmax as Softmax
from retrograd.nn.layers.activation import Softplus as Softplus
from retrograd.nn.layers.activation import Tanh as Tanh
from retrograd.nn.layers.container import Sequential as Sequential
from retrograd.nn.layers.dropout import Dropout as Dropout
from retrograd.nn.layers.embedding import Embedding as Embedding
from retrograd.nn.layers.linear import Flatten as Flatten
from retrograd.nn.layers.linear import Identity as Identity
from retrograd.nn.layers.linear import Linear as Linear
from retrograd.nn.layers.neurons import Neurons as Neurons
from retrograd.nn.layers.neurons import neuron_functions as neuron_functions
from retrograd.nn.layers.neurons import register_neuron_function as register_neuron_function
from retrograd.nn.layers.normalisation import LayerNorm as LayerNorm
from retrograd.nn.losses import binary_cross_entropy_with_logits as binary_cross_entropy_with_logits
from retrograd.nn.losses import cross_entropy as cross_entropy
from retrograd.nn.losses import huber_loss as huber_loss
from retrograd.nn.losses import l1_loss as l1_loss
from retrograd.nn.losses import mse_loss as mse_loss
from retrograd.nn.losses import nll_loss as nll_loss
from retrograd.nn.losses import smooth_l1_loss as smooth_l1_loss
from retrograd.nn.module import Module as Module
from retrograd.nn.stacked import Stacked as Stacked
from retrograd.nn.stacked import stack as stack
from retrograd.nn.thresholds import Gaussian as Gaussian
from retrograd.nn.thresholds import Step as Step
from retrograd.nn.thresholds import gaussian as gaussian
from retrograd.nn.thresholds import step as step
from retrograd.tensor.parameter import Buffer as Buffer
from retrograd.tensor.parameter import Parameter as Parameter

__all__ = [
    # modules
    "Buffer", "Module", "Parameter",
    "Dropout", "Embedding", "Flatten", "GELU", "Gaussian", "Identity", "LayerNorm", "LeakyReLU", "Linear", "LogSoftmax",
    "Neurons", "ReLU", "Sequential", "SiLU", "Sigmoid", "Softmax", "Softplus", "Stacked", "Step", "Tanh",
    # functions
    "dropout", "embedding", "flatten", "gaussian", "gelu", "layer_norm", "leaky_relu", "linear", "log_softmax", "relu",
    "sigmoid", "silu", "softmax", "softplus", "step", "tanh",
    # losses
    "binary_cross_entropy_with_logits", "cross_entropy", "huber_loss", "l1_loss", "mse_loss", "nll_loss",
    "smooth_l1_loss",
    # models as functions
    "closure", "functional_call", "parameters_to_vector", "stack", "value_and_grad", "vector_to_parameters",
    # functions that layers are made of
    "neuron_functions", "register_neuron_function",
    "init",
]  # fmt: skip
