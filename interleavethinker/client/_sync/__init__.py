"""The client's calls for programs without an event loop: made from `_async` by `make client`, not by hand."""
