"""The whole house on one machine: every part a child process of this one, and none of them left behind.

It imports no service; it starts them by name and talks to them over HTTP, as anyone would. Begin reading at `local`.
"""
