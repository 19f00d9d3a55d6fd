"""Pictures of training, drawn with matplotlib (extra ``plot``): no display is needed, nothing global is changed.

Every function gives a `Plot`: it shows itself in a notebook, `save` writes SVG, PNG or PDF, and `data` has the arrays
that were drawn.
"""

from retrograd.plots.functions import activation as activation
from retrograd.plots.functions import descent as descent
from retrograd.plots.functions import surface as surface
from retrograd.plots.functions import weight_surface as weight_surface
from retrograd.plots.plot import Plot as Plot
from retrograd.plots.training import confusion as confusion
from retrograd.plots.training import curves as curves
from retrograd.plots.training import gradient_health as gradient_health
from retrograd.plots.training import residuals as residuals

__all__ = [
    "Plot", "activation", "confusion", "curves", "descent", "gradient_health", "residuals", "surface", "weight_surface",
]  # fmt: skip
