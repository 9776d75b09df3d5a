"""How the command line is spoken to: the bare form, help, completion, and what it costs to ask for help."""

from __future__ import annotations

import subprocess
import sys

import pytest

from interleavethinker.cli.words import asked
from tests.cli.spoken import ROOT, say

COMMANDS = {"run", "runs", "show", "redraw"}


@pytest.mark.parametrize(
    ("words", "understood"),
    [
        (["How do I draw?"], ["run", "How do I draw?"]),
        (["snowman"], ["run", "snowman"]),
        (["-o", "guide", "How do I draw?"], ["run", "-o", "guide", "How do I draw?"]),
        (["-", "--json"], ["run", "-", "--json"]),
        (["runs", "--json"], ["runs", "--json"]),
        (["rnus"], ["rnus"]),
        (["--url", "http://x", "runs"], ["--url", "http://x", "runs"]),
        (["--help"], ["--help"]),
        (["--show-completion"], ["--show-completion"]),
        ([], []),
    ],
)
def test_what_names_no_command_is_a_request(words: list[str], understood: list[str]):
    assert asked(words, COMMANDS) == understood


def test_wrong_usage_is_exit_code_2():
    for words in (["rnus"], ["run"], ["x y", "--size", "big"], ["redraw", "last", "0"], ["x y", "--critic", "angry"]):
        assert say(*words).returncode == 2, words
    assert "Did you mean 'runs'" in " ".join(say("rnus").stderr.split())


def test_help_says_the_exit_codes_and_version_is_one_line():
    told = " ".join(say("--help").stdout.split())
    for words in ("3 cut short", "130 canceled", "doctor", "redraw", "INTERLEAVETHINKER_URL"):
        assert words in told
    assert say("--version").stdout.count("\n") == 1


def test_help_loads_neither_the_values_nor_the_client():
    code = "import sys, interleavethinker.cli.words; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert {"pydantic", "httpx2", "PIL", "jinja2", "torch", "stamina"}.isdisjoint(done.stdout.split())


def test_the_shell_completes_commands_and_options():
    def completed(line: str, at: int) -> list[str]:
        done = say(_INTERLEAVETHINKER_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(at))
        return done.stdout.split()

    assert "redraw" in completed("interleavethinker re", 1)
    assert "--later" in completed("interleavethinker redraw run_1 1 --la", 4)


def test_eval_passes_its_words_on():
    done = say("eval", "--help")
    assert done.returncode == 0
    assert "smallworld" in done.stdout
    assert say("eval", "nothing").returncode == 2
