"""The public faces: `Tensor` of a box, `Parameter` of a cell; operators, methods and NumPy's protocols on both."""
