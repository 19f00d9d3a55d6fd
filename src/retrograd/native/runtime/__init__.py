"""What native code needs around it: the host's description, a linker, a cache of objects, threads, and calls."""
