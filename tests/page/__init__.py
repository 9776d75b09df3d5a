"""A package, so that the browser of these tests, of package scope, ends with this folder."""
