"""Loop IR: what a graph becomes before it becomes machine code. It has a printer, a verifier and a slow interpreter."""
