"""The texts of alerts."""

from datetime import timedelta

from alerts.notices import Notice, NoticeKind
from alerts.text import Writer
from console.translation import language
from phrases import Phrase
from tests.unit.alerts.problems import HOUR, NOW, stored


def writer() -> Writer:
    return Writer(str, "host-1")


NAMES = {7: "water laboratory"}


def test_an_alert_names_problem_time_account_remedy_and_command() -> None:
    problem = stored(account_id=7, text="The mailbox refuses access.", remedy="Grant it.", kind="mailbox_refused")
    message = writer().message([Notice(NoticeKind.NEW, problem)], NAMES)
    assert message.title == "mail-importer: The mailbox refuses access."
    assert message.body.splitlines() == [
        "New problem (error), since 2026-03-31 11:00 UTC",
        "Account: water laboratory",
        "The mailbox refuses access.",
        "What to do: Grant it.",
        'More: mail-importer accounts show "water laboratory"',
        "",
        "Sent by mail-importer on host host-1.",
    ]


def test_an_end_tells_how_long_it_lasted() -> None:
    problem = stored(alerted=NOW - HOUR, cleared=NOW, text="Graph is away.")
    message = writer().message([Notice(NoticeKind.RECOVERY, problem)], {})
    assert message.title == "mail-importer: resolved: Graph is away."
    assert "Resolved: it lasted from 2026-03-31 11:00 to 2026-03-31 12:00 UTC\nGraph is away.\n" in message.body
    assert "What to do" not in message.body


def test_many_are_one_message_of_bounded_length() -> None:
    notices = [Notice(NoticeKind.NEW, stored(number, text="x" * 5000)) for number in range(300)]
    ended = Notice(NoticeKind.RECOVERY, stored(301, alerted=NOW, cleared=NOW))
    message = writer().message([*notices, ended], {})
    assert message.title == "mail-importer: 300 problems, 1 resolved"
    assert "281 more are not shown here. See them all: mail-importer status" in message.body
    assert len(message.body) < 30_000


def test_what_is_too_long_is_cut_in_the_language_of_the_readers() -> None:
    """The subject of a mail is the first that they see of it."""
    french = language.catalogue("fr")
    detail = Phrase("Microsoft Graph cannot be reached from {hosts}: {why}.", hosts="h" * 1000, why="refused")
    message = Writer(lambda text: text.translated(french) if isinstance(text, Phrase) else text, "host-1").message(
        [Notice(NoticeKind.NEW, stored(text=detail, remedy=detail))], {}
    )
    translated = detail.translated(french)
    assert translated != detail
    assert message.title == f"mail-importer\N{NO-BREAK SPACE}: {translated[:149]}…"
    assert f"\n{translated[:999]}…\n" in message.body
    assert detail[:40] not in message.body


def test_the_error_of_a_foreign_server_cannot_break_lines_or_steer_a_terminal() -> None:
    problem = stored(text="550 no\r\nBcc: all@example.com\x1b[2J")
    message = writer().message([Notice(NoticeKind.NEW, problem)], {})
    assert message.title == "mail-importer: 550 no Bcc: all@example.com\N{REPLACEMENT CHARACTER}[2J"
    assert "\r" not in message.body
    assert "\x1b" not in message.body


def test_an_account_that_is_gone_has_its_number() -> None:
    message = writer().message([Notice(NoticeKind.NEW, stored(account_id=12))], {})
    assert "Account: 12\n" in message.body


def test_the_outage_of_the_database_is_told_with_its_reason() -> None:
    begin = NOW - timedelta(minutes=3)
    message = writer().database_trouble(begin, Phrase("The gateway database cannot be reached: {why}", why="refused"))
    assert message.title == "mail-importer: The gateway database cannot be reached: refused"
    assert "since 2026-03-31 11:57 UTC" in message.body
    back = writer().database_back(begin, NOW)
    assert back.title == "mail-importer: resolved: The gateway database is available again."
    assert "from 2026-03-31 11:57 to 2026-03-31 12:00 UTC" in back.body
