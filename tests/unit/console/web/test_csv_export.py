"""The e-mail log as CSV: read back as it was, and no cell of a sender is a formula."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.web.csv_export import cell, csv_pieces

CELLS = st.text(alphabet=st.sampled_from("=+-@＝;\t\r\n\"', aé") | st.characters(codec="utf-8"), max_size=20)


def _read(data: bytes, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=delimiter))


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+49 30", "'+49 30"),
        ("-x", "'-x"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", "'\tx"),
        ("\r=x", "'\r'=x"),
        ("＝1", "'＝1"),
        ('  "=1', "'  \"=1"),
        ("Re: a; =cmd|x", "Re: a;' =cmd|x"),
        ("a-b = c; d", "a-b = c; d"),
        ("a\0b", "a\ufffdb"),
        (None, ""),
        (-5, "-5"),
        (datetime(2026, 1, 2, 3, 4, 5, 6, timezone(timedelta(hours=1))), "2026-01-02T02:04:05Z"),
    ],
)
def test_a_cell_is_no_formula(value: object, written: str) -> None:
    """Text that a spreadsheet would calculate gets an apostrophe; numbers and times do not."""
    assert cell(value) == written


def test_the_file_begins_with_the_mark_and_a_heading() -> None:
    """Excel takes it for UTF-8 by the mark; lines end as RFC 4180 says."""
    data = b"".join(csv_pieces(["Date", "Subject"], [[datetime(2026, 1, 2, tzinfo=UTC), 'é "x", y\nz']]))
    assert data == b'\xef\xbb\xbfDate,Subject\r\n2026-01-02T00:00:00Z,"\xc3\xa9 ""x"", y\nz"\r\n'


def test_rows_are_taken_as_they_are_sent() -> None:
    """A million rows need no more memory than some."""
    taken = 0

    def rows() -> Iterator[list[str]]:
        nonlocal taken
        while taken < 10_000:
            taken += 1
            yield ["x" * 100]

    sizes = []
    for piece in csv_pieces(["Subject"], rows()):
        sizes.append(len(piece))
        assert taken * 102 < sum(sizes) + 1_000
    assert len(sizes) > 10
    assert max(sizes) < 70_000


@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=5))
def test_no_program_reads_a_formula(rows: list[list[str]]) -> None:
    """Read back by commas it is as many cells, each as it was but for apostrophes; by semicolons no cell is one."""
    data = b"".join(csv_pieces(["a", "b", "c"], rows))
    read = _read(data)
    assert [len(each) for each in read] == [3] * (len(rows) + 1)
    for written, given_row in zip(read[1:], rows, strict=True):
        for each, original in zip(written, given_row, strict=True):
            assert each.replace("'", "") == original.replace("'", "").replace("\0", "\ufffd")
            assert not each.startswith(("=", "+", "-", "@", "\t", "\r", "＝"))
    for line in data.decode("utf-8-sig").replace("\r", "\n").replace("\t", ";").split("\n"):
        for part in line.split(";")[1:]:
            assert not part.lstrip(" \"'").startswith(("=", "+", "@")) or "'" in part
