"""A package, so that the stack of these tests, of package scope, ends with this folder."""
