"""`python -m interleavethinker.cli`: the same as the console script."""

from interleavethinker.cli import main

if __name__ == "__main__":
    main()
