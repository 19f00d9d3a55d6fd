"""What is the matter with a network in training: gradient health, kinds of stationary points, sensitivities."""

from retrograd.train.diagnostics.health import Health as Health
from retrograd.train.diagnostics.health import LayerHealth as LayerHealth
from retrograd.train.diagnostics.health import dead_fraction as dead_fraction
from retrograd.train.diagnostics.health import health as health
from retrograd.train.diagnostics.sensitivity import Sensitivity as Sensitivity
from retrograd.train.diagnostics.sensitivity import input_gradient as input_gradient
from retrograd.train.diagnostics.sensitivity import sensitivity as sensitivity
from retrograd.train.diagnostics.surface import Point as Point
from retrograd.train.diagnostics.surface import classify_point as classify_point
from retrograd.train.diagnostics.surface import plateaus as plateaus
