"""From graphs to loops: which equations share a nest, where every value lies, and what each primitive becomes."""
