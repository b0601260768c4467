"""The title and the text of alerts, in the language of their readers; nothing of any mail is in them."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from alerts.notices import Notice, NoticeKind
from db.queries.problems import ProblemKind, Severity, StoredProblem
from phrases import Phrase
from phrases.commands import quoted

_MAX_SHOWN: Final = 20
"""Problems in the text of one alert; the others are counted."""
_MAX_TITLE: Final = 150
_MAX_LINE: Final = 200
_MAX_TEXT: Final = 1000
"""Characters of one problem's text, and of its remedy."""
_STEERING: Final = frozenset({"Cc", "Cf", "Cs"})
_PROGRAM: Final = "mail-importer"
_COMMANDS: Final[Mapping[str, str]] = {
    ProblemKind.DEAD_LETTERS: "queue list --dead-letters",
    ProblemKind.MESSAGES_FAILING: "messages list --state waiting",
    ProblemKind.QUEUE_UNREACHABLE: "queue check",
    ProblemKind.QUEUE_NOT_DRAINED: "queue status",
    ProblemKind.DATABASE_TROUBLE: "db check",
    ProblemKind.SCHEMA_OUTDATED: "db current",
    ProblemKind.CERTIFICATE_ENDS: "certificates list",
    ProblemKind.CERTIFICATE_ENDED: "certificates list",
    ProblemKind.CERTIFICATE_NOT_FOUND: "certificates list",
    ProblemKind.CERTIFICATE_KEY_UNREADABLE: "certificates list",
    ProblemKind.CERTIFICATE_UNUSABLE: "certificates list",
    ProblemKind.CERTIFICATE_REPLACED: "certificates list",
    ProblemKind.ALERT_FAILING: "alerts list",
}
"""The commands that show more of some kinds of problems; of the others, `status`, or `accounts show`."""
_OF_ACCOUNT: Final = frozenset({"queue list --dead-letters", "messages list --state waiting"})
"""Those that take `--account`."""


@dataclass(frozen=True, slots=True)
class Message:
    """The text that is sent to each target."""

    title: str
    body: str


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes alerts. `translate` renders a phrase in their language. `host`: the name of the host that sends them."""

    translate: Callable[[str], str]
    host: str

    def message(self, notices: Sequence[Notice], names: Mapping[int, str]) -> Message:
        """The message about all of these. `names`: of their accounts, by number."""
        paragraphs = [self._paragraph(each, names) for each in notices[:_MAX_SHOWN]]
        more = len(notices) - len(paragraphs)
        if more:
            paragraphs.append(
                Phrase.counted(
                    "{n} more is not shown here. See them all: {command}",
                    "{n} more are not shown here. See them all: {command}",
                    n=more,
                    command=f"{_PROGRAM} status",
                )
            )
        return self._made(self._title(notices), paragraphs)

    def test(self, target: str) -> Message:
        """The message of `alerts test`."""
        text = Phrase(
            "This is a test of the alerts to {target}. Nothing is wrong; there is nothing to do.", target=target
        )
        return self._made(Phrase("test of alerts"), [text])

    def database_trouble(self, since: datetime, text: str) -> Message:
        """The message that the gateway database cannot be used."""
        return self._made(
            self._shortened(text, _MAX_TITLE),
            [
                _lines(
                    Phrase("New problem (error), since {time:%Y-%m-%d %H:%M} UTC", time=since.astimezone(UTC)),
                    self._shortened(text, _MAX_TEXT),
                    Phrase("No mail is imported until the database is back; nothing is lost meanwhile."),
                    Phrase("More: {command}", command=f"{_PROGRAM} db check"),
                )
            ],
        )

    def database_back(self, since: datetime, until: datetime) -> Message:
        """The message that the gateway database can be used again."""
        times = {"since": since.astimezone(UTC), "until": until.astimezone(UTC)}
        resolved = Phrase("Resolved: it lasted from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC", **times)
        return self._made(
            Phrase("resolved: {text}", text=Phrase("The gateway database is available again.")),
            [_lines(resolved, Phrase("The gateway database is available again."))],
        )

    def _made(self, title: str, paragraphs: Sequence[str]) -> Message:
        end = Phrase("Sent by mail-importer on host {host}.", host=self.host)
        titled = Phrase("mail-importer: {text}", text=title)
        return Message(
            _one_line(self._rendered(titled)),
            "\n\n".join(_clean(self._rendered(each)) for each in (*paragraphs, end)),
        )

    def _title(self, notices: Sequence[Notice]) -> str:
        ended = sum(each.kind is NoticeKind.RECOVERY for each in notices)
        if len(notices) == 1:
            text = self._shortened(notices[0].problem.text, _MAX_TITLE)
            return Phrase("resolved: {text}", text=text) if ended else text
        problems = Phrase.counted("{n} problem", "{n} problems", n=len(notices) - ended)
        resolved = Phrase.counted("{n} resolved", "{n} resolved", n=ended)
        return Phrase.joined(problems if ended < len(notices) else "", resolved if ended else "", by=", ")

    def _paragraph(self, notice: Notice, names: Mapping[int, str]) -> Phrase:
        problem = notice.problem
        account = None if problem.account_id is None else names.get(problem.account_id, str(problem.account_id))
        text = self._shortened(problem.text, _MAX_TEXT)
        of_account = Phrase("") if account is None else Phrase("Account: {account}", account=account)
        if notice.kind is NoticeKind.RECOVERY:
            return _lines(_heading(notice), of_account, text)
        remedy = (
            Phrase("What to do: {remedy}", remedy=self._shortened(problem.remedy, _MAX_TEXT)) if problem.remedy else ""
        )
        return _lines(
            _heading(notice), of_account, text, remedy, Phrase("More: {command}", command=command_for(problem, account))
        )

    def _shortened(self, text: str, length: int) -> str:
        """The text in the language of the readers, cut there: a phrase that is cut has no translation any more."""
        rendered = self._rendered(text)
        return rendered if len(rendered) <= length else rendered[: length - 1] + "…"

    def _rendered(self, text: str) -> str:
        # Of a stored text that is no phrase, nothing is translated.
        return "".join(self.translate(text))


def _heading(notice: Notice) -> Phrase:
    problem = notice.problem
    since = problem.first_seen.astimezone(UTC)
    is_error = problem.severity == Severity.ERROR
    match notice.kind:
        case NoticeKind.RECOVERY:
            until = (problem.cleared or problem.last_seen).astimezone(UTC)
            return Phrase(
                "Resolved: it lasted from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC",
                since=since,
                until=until,
            )
        case NoticeKind.REMINDER if is_error:
            return Phrase("Reminder (error), since {time:%Y-%m-%d %H:%M} UTC", time=since)
        case NoticeKind.REMINDER:
            return Phrase("Reminder (warning), since {time:%Y-%m-%d %H:%M} UTC", time=since)
        case NoticeKind.NEW if is_error:
            return Phrase("New problem (error), since {time:%Y-%m-%d %H:%M} UTC", time=since)
        case NoticeKind.NEW:
            return Phrase("New problem (warning), since {time:%Y-%m-%d %H:%M} UTC", time=since)


def command_for(problem: StoredProblem, account: str | None) -> str:
    """The command that shows more of a problem. `account`: the name of its account, if it is of one."""
    command = _COMMANDS.get(problem.kind)
    if account is None:
        return f"{_PROGRAM} {command or 'status'}"
    if command is None:
        return f"{_PROGRAM} accounts show {quoted(account)}"
    return f"{_PROGRAM} {command} --account {quoted(account)}" if command in _OF_ACCOUNT else f"{_PROGRAM} {command}"


def _lines(*lines: str) -> Phrase:
    return Phrase.joined(*lines, by="\n")


def _clean(text: str) -> str:
    """Without control characters, which may come from the error of a foreign server."""
    text = text.replace("\r\n", "\n")
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if sign != "\n" and unicodedata.category(sign) in _STEERING else sign
        for sign in text
    )


def _one_line(text: str) -> str:
    words = _clean(re.sub(r"[ \t\r\n]+", " ", text))  # the no-break spaces of French stay
    return words if len(words) <= _MAX_LINE else words[: _MAX_LINE - 1] + "…"
