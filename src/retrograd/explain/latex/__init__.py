"""Explanations in LaTeX: the kernel vocabulary once more, formulas, whole documents, and MathML for HTML."""
