"""Printed output: tables and JSON."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from console.output import Column, Listing, Record, Report, print_object, printable, prints_data, shown, span
from console.translation.language import choose
from phrases import Phrase

COLUMNS = (Column("name", Phrase("Name")), Column("when", Phrase("When")), Column("bytes", Phrase("Bytes"), right=True))
ROW = {"name": "[bold]a\x1b[31m", "when": datetime(2026, 3, 31, tzinfo=UTC), "bytes": 1, "file": Path("x")}


def printed(result: Listing | Record | Report, *arguments: str) -> Result:
    @click.command()
    @prints_data
    def command() -> Listing | Record | Report:
        return result

    return CliRunner().invoke(command, list(arguments))


@pytest.mark.usefixtures("at_terminal")
def test_a_listing_is_a_table_for_people() -> None:
    assert printed(Listing(COLUMNS, [ROW], empty=Phrase("None."))).stdout == (
        "Name          When                     Bytes\n[bold]a�[31m  2026-03-31 00:00:00 UTC      1\n"
    )


def test_elsewhere_than_at_a_terminal_fields_are_whole_and_separated_by_tabs() -> None:
    row = {"name": "n" * 150, "when": "a\tb\nc", "bytes": 1}
    assert printed(Listing(COLUMNS, [row], empty=Phrase("None."))).stdout == (
        f"Name\tWhen\tBytes\n{'n' * 150}\ta�b�c\t1\n"
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
    assert printed(record).stdout.splitlines()[2] == "Bytes\t1"
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


LONG = {"name": "n" * 150, "when": datetime(2026, 3, 31, tzinfo=UTC), "bytes": 10**12}


@pytest.mark.usefixtures("at_terminal")
def test_a_cell_without_room_is_cut_with_an_ellipsis_and_never_broken() -> None:
    heading, line = printed(Listing(COLUMNS, [LONG], empty=Phrase("None."))).stdout.splitlines()
    assert len(line) == 80
    assert line == f"{'n' * 39}…  2026-03-31 00:00:00 UTC  1000000000000"
    assert heading.split() == ["Name", "When", "Bytes"]


@pytest.mark.usefixtures("at_terminal")
def test_columns_without_room_are_left_out_by_priority_and_named() -> None:
    columns = (
        Column("a", Phrase("First"), whole=True),
        Column("b", Phrase("Second"), whole=True, priority=1),
        Column("c", Phrase("Third"), whole=True),
        Column("d", Phrase("Fourth"), priority=2),
    )
    row = {"a": "a" * 30, "b": "b" * 30, "c": "c" * 30, "d": "d" * 30}
    result = printed(Listing(columns, [row], empty=Phrase("None.")))
    assert result.stdout.splitlines()[1] == f"{'a' * 30}  {'b' * 30}  {'d' * 15}…"
    assert "Columns left out for want of room: Third." in result.stderr


@pytest.mark.usefixtures("at_terminal")
def test_what_is_copied_is_whole_even_without_room() -> None:
    columns = (Column("name", Phrase("Name"), whole=True), Column("bytes", Phrase("Bytes")))
    result = printed(Listing(columns, [LONG], empty=Phrase("None.")))
    assert result.stdout.splitlines()[1] == "n" * 150


@pytest.mark.usefixtures("at_terminal")
def test_wide_characters_count_twice() -> None:
    row = {"name": "井" * 60, "when": None, "bytes": 1}
    line = printed(Listing(COLUMNS, [row], empty=Phrase("None."))).stdout.splitlines()[1]
    assert line.count("井") in range(30, 34)
    assert line.endswith("–         1")


@pytest.mark.usefixtures("at_terminal")
def test_details_are_whole_below_their_row() -> None:
    listing = Listing(COLUMNS, [ROW], Phrase("None."), details=[Column("do", Phrase("What to do"))])
    row = {**ROW, "do": "word " * 30}
    lines = printed(replace(listing, rows=[row])).stdout.splitlines()
    assert lines[2].startswith("  What to do: word word")
    assert " ".join(lines[2:]).count("word") == 30
    assert max(map(len, lines)) <= 80


@pytest.mark.usefixtures("at_terminal")
def test_the_heading_of_a_detail_is_punctuated_as_the_language_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGUAGE", "en")

    @click.command()
    @click.pass_context
    def command(context: click.Context) -> None:
        choose(context, "fr")
        Listing(COLUMNS, [{**ROW, "do": "this"}], Phrase("None."), details=[Column("do", Phrase("Cause"))]).print()

    assert CliRunner().invoke(command).stdout.splitlines()[2] == "  Cause\N{NO-BREAK SPACE}: this"


def test_details_are_the_last_columns_elsewhere() -> None:
    listing = Listing(COLUMNS, [{**ROW, "do": "this"}], Phrase("None."), details=[Column("do", Phrase("What to do"))])
    assert [line.split("\t")[-1] for line in printed(listing).stdout.splitlines()] == ["What to do", "this"]


@pytest.mark.usefixtures("at_terminal")
def test_texts_of_a_record_are_wrapped_between_words() -> None:
    lines = printed(Record(COLUMNS, {**LONG, "name": "some word " * 20})).stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert " ".join(lines).count("word") == 20


@pytest.mark.usefixtures("at_terminal")
def test_trouble_is_coloured_where_colours_are_wanted() -> None:
    columns = (Column("name", Phrase("Name")), Column("bytes", Phrase("Bytes"), colour=lambda _: "red"))

    @click.command()
    @prints_data
    def command() -> Listing:
        return Listing(columns, [ROW], empty=Phrase("None."))

    assert "\x1b[31m1" in CliRunner().invoke(command, color=True).stdout
    assert "\x1b[31m1" not in CliRunner().invoke(command).stdout


@pytest.mark.parametrize(
    ("arguments", "stdout", "stderr"), [([], "", "Done.\n"), (["--json"], '{\n  "action": "done"\n}\n', "")]
)
def test_a_report_is_a_sentence_for_people_and_its_facts_as_json(
    arguments: list[str], stdout: str, stderr: str
) -> None:
    result = printed(Report({"action": "done"}, [Phrase("Done.")]), *arguments)
    assert (result.stdout, result.stderr) == (stdout, stderr)


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
