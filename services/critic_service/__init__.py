"""The critic: one attempt in, a verdict out."""
