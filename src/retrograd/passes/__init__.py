"""Graph passes: each a pure function from a graph to a graph of the same meaning; `pipeline` runs them in order."""
