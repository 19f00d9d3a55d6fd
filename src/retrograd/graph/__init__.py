"""The graph: a typed program of primitives that can be verified, printed, parsed and run by any interpreter."""
