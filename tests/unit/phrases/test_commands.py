"""Arguments as they are typed: read back by a POSIX shell, and in the form that the shells of Windows read, too."""

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phrases.commands import joined, quoted


@pytest.mark.parametrize(
    ("argument", "typed"),
    [
        ("laboratory", "laboratory"),
        ("AAMkAGI1AAA=", "AAMkAGI1AAA="),
        ("labor@example.com", "labor@example.com"),
        ("2026-03-31T10:00:00+00:00", "2026-03-31T10:00:00+00:00"),
        ("Station 4", '"Station 4"'),
        ("Laboratoire d'Aix", '"Laboratoire d\'Aix"'),
        ("Rivière", '"Rivière"'),
        ("*@example.com", '"*@example.com"'),
        ("@example.com", '"@example.com"'),
        ("a,b", '"a,b"'),
        ("a & b", '"a & b"'),
        (r"C:\Import\csv", r'"C:\Import\csv"'),
        (r"\\server\share\in", r'"\\server\share\in"'),
        ("", '""'),
        ("C:\\Import\\", "'C:\\Import\\'"),
        ('5" tube', "'5\" tube'"),
        ("Pumpe „Nord“", "'Pumpe „Nord“'"),
        ("Laboratoire d’Aix", '"Laboratoire d’Aix"'),
        ("5 $", "'5 $'"),
        ("now!", "'now!'"),
        ("`id`", "'`id`'"),
        ("two\nlines", "'two\nlines'"),
    ],
)
def test_an_argument_is_typed_alike_at_all_shells_where_it_can_be(argument: str, typed: str) -> None:
    assert quoted(argument) == typed


_ARGUMENTS = st.text(st.characters(codec="utf-8", exclude_characters="\0")).filter(lambda text: "\\\\" not in text)


@settings(max_examples=20)
@given(st.lists(_ARGUMENTS, min_size=50, max_size=50))
def test_a_shell_reads_each_argument_back(arguments: list[str]) -> None:
    script = f"printf '%s\\0' {joined(arguments)}"
    read = subprocess.run(["sh", "-c", script], check=True, capture_output=True).stdout
    assert read.decode().split("\0")[:-1] == arguments
