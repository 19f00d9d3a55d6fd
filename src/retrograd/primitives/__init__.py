"""Every operation of the engine: one class each, families of a few in a file."""
