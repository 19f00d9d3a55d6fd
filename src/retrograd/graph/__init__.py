"""The graph: a typed program of primitives that can be verified, printed, parsed and run by any interpreter.

Called as a function, ``rg.graph(f, *args)`` draws the program that ``f(*args)`` is: `retrograd.explain.diagram.graph`.
"""
