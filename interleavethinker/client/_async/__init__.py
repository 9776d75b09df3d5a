"""The client's calls, written once; `_sync` is made from these files by `make client`."""
