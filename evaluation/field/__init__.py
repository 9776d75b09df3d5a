"""The field's own benchmarks, asked of a running service over its public API (docs/benchmarks.md)."""
