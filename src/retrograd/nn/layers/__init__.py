"""Layers: modules that are final. Their functions stand beside them in `retrograd.nn`."""
