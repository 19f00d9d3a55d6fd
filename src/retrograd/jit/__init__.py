"""`rg.jit`: trace a function once, run the program from then on."""
