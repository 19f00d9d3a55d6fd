"""The public array functions: promotion, friendly errors, documentation; the rest is `apply`.

Names are NumPy's and the array API standard's. Functions take tensors, parameters, arrays, nested lists and Python
scalars, and return tensors.
"""
