"""`interleavethinker`: ask for a document and watch it being made, look at earlier ones, keep a stack up and well.

Exit codes: 0 well; 1 the run failed, or an error, told in one line; 2 wrong usage; 3 the document was cut short (what
was finished is written); 4 nobody answers there; 130 canceled (128 + n after signal n). The parts are started by
`stack`, talked to by `client`, and the files written by `exports`; modules here say in words what those do. What is
heavy is imported where it is used, so that `--help` is quick.
"""


def main() -> None:
    """The console script."""
    from interleavethinker.cli.ends import ending
    from interleavethinker.cli.words import app

    with ending():
        app(prog_name="interleavethinker")
