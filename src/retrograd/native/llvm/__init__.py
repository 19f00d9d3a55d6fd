"""LLVM IR as text: what writes it, vector mathematics, and the code of loop nests."""
