"""`python -m interleavethinker.mcp_server`."""

from interleavethinker.mcp_server import main

main()
