"""Printed output: tables and JSON."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from console.output import Column, Listing, Record, print_object, printable, prints_data, shown, span
from phrases import Phrase

COLUMNS = (Column("name", Phrase("Name")), Column("when", Phrase("When")), Column("bytes", Phrase("Bytes"), right=True))
ROW = {"name": "[bold]a\x1b[31m", "when": datetime(2026, 3, 31, tzinfo=UTC), "bytes": 1, "file": Path("x")}


def printed(result: Listing | Record, *arguments: str) -> Result:
    @click.command()
    @prints_data
    def command() -> Listing | Record:
        return result

    return CliRunner().invoke(command, list(arguments))


def test_a_listing_is_a_table_for_people() -> None:
    assert printed(Listing(COLUMNS, [ROW], empty=Phrase("None."))).stdout == (
        "Name          When                     Bytes\n[bold]a�[31m  2026-03-31 00:00:00 UTC      1\n"
    )


def test_as_json_a_listing_is_an_array_with_all_there_is() -> None:
    rows = json.loads(printed(Listing(COLUMNS, [ROW], empty=Phrase("None.")), "--json").stdout)
    assert rows == [{"name": "[bold]a\x1b[31m", "when": "2026-03-31T00:00:00Z", "bytes": 1, "file": "x"}]


def test_an_empty_listing_prints_no_data_and_is_reported_on_standard_error() -> None:
    result = printed(Listing(COLUMNS, [], empty=Phrase("None.")))
    assert (result.stdout, result.stderr) == ("", "None.\n")


def test_as_json_an_empty_listing_is_an_empty_array() -> None:
    result = printed(Listing(COLUMNS, [], empty=Phrase("None.")), "--json")
    assert (json.loads(result.stdout), result.stderr) == ([], "")


def test_a_record_is_a_line_for_each_fact_and_an_object_as_json() -> None:
    record = Record(COLUMNS, ROW)
    assert printed(record).stdout.splitlines()[2] == "Bytes  1"
    assert json.loads(printed(record, "--json").stdout)["bytes"] == 1


@pytest.mark.parametrize("count", [0, 1, 3])
def test_an_object_with_rows_that_come_one_by_one_is_what_json_makes_of_it_at_once(
    count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    when = datetime(2026, 3, 31, tzinfo=UTC)
    print_object({"a": 1, "when": when}, "rows", ({"n": number, "of": {"x": None}} for number in range(count)))
    rows = [{"n": number, "of": {"x": None}} for number in range(count)]
    whole = {"a": 1, "when": "2026-03-31T00:00:00Z", "rows": rows}
    assert capsys.readouterr().out == json.dumps(whole, indent=2) + "\n"


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_a_failure_is_reported_after_the_data(arguments: list[str]) -> None:
    result = printed(Record(COLUMNS, ROW, failure=Phrase("It failed.")), *arguments)
    assert result.exit_code == 1
    assert result.stdout
    assert result.stderr == "Error: It failed.\n"


def test_no_line_is_wider_than_80_columns_and_nothing_is_cut_off() -> None:
    row = {"name": "n" * 150, "when": datetime(2026, 3, 31, tzinfo=UTC), "bytes": 10**12}
    out = printed(Listing(COLUMNS, [row], empty=Phrase("None."))).stdout
    assert max(len(line) for line in out.splitlines()) <= 80
    assert out.count("n") == 150 + 1


def test_nothing_printed_steers_a_terminal() -> None:
    assert printable("a\x1b[2J\u202e\ud800b\nc") == "a�[2J��b�c"


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (True, "yes"), (False, "no"), (0, "0"), ("", ""), (Path("a/b"), "a/b")]
)
def test_a_value_is_shown_as_people_read_it(value: object, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (0, "0 s"), (59, "59 s"), (60, "1 min"), (3725, "1 h 2 min"), (90000, "1 d 1 h"), (86401, "1 d 1 s")],
)
def test_a_span_has_two_units(seconds: int, text: str) -> None:
    assert span(timedelta(seconds=seconds)) == text


def test_what_json_does_not_know_is_a_mistake_and_not_hidden() -> None:
    result = printed(Record((), {"x": object()}), "--json")
    assert isinstance(result.exception, TypeError)
