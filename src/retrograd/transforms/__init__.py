"""Functions of functions: derivatives, vectorisation, control flow, checkpoints, derivatives of your own."""
