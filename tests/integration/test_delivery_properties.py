"""What rules select of any mail arrives once, byte for byte, whatever hosts die and whatever is imported again."""

import asyncio
import contextlib
import fnmatch
import hashlib
import io
import json
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Final

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete

from db.outcomes import Outcome
from db.queries import rules
from db.queries.files import LEASE, MAX_WAIT
from db.records import MessageRecord
from db.tables import email_file, email_rule, message, message_identity
from rules.rule import Container, Rule, SavedBody, SubjectKind
from tests.databases import Gateway, on_every_database
from tests.doubles.rule_mail import attached, mail
from tests.integration.delivery_site import Fate, Site, Watcher
from tests.waiting import until

FOLDERS: Final = ("one", "two", "three")
_NUMBERS = count()

Saved = tuple[str, bytes]
"""Folder and content."""


@dataclass(frozen=True)
class Part:
    """An attachment. `members`: it is a `.zip` of these. `content`: None: it is not stored."""

    name: str
    content: bytes | None = b""
    inline: bool = False
    members: tuple[Saved, ...] = ()

    @property
    def stored(self) -> bytes | None:
        if not self.members:
            return self.content
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, content in self.members:
                archive.writestr(zipfile.ZipInfo(name), content)
        return packed.getvalue()


@dataclass(frozen=True)
class Mail:
    account: int = 1
    sender: str = "lab@example.com"
    subject: str = "Results"
    text: str = "Lead 42 mg/l"
    is_html: bool = False
    parts: tuple[Part, ...] = ()
    copied: bool = False
    """An equal one comes under another id."""


@dataclass(frozen=True)
class Round:
    """Deliveries on one host or two, each of which dies after so many steps; then what happens until the next."""

    deaths: tuple[int, ...]
    watched: bool
    imported_again: bool
    jump: timedelta


# The oracle: no rule of the product, and no evaluator.


def _selected(rule: Rule, sent: Mail) -> list[bytes | None] | None:
    """The contents that the rule saves of the mail, None for one that is not stored; None: it does not match."""
    offered = [
        each
        for part in sent.parts
        for each in [(part, part.stored), *((Part(*member), member[1]) for member in part.members if rule.unpack)]
    ]
    named = [(part, content) for part, content in offered if _has_name(part, rule)]
    if rule.attachment_names and not named:
        return None
    wanted = (rule.account_id in {None, sent.account}, rule.senders in {(), (sent.sender.split("@")[1],)})
    if not all(wanted) or (rule.subjects and rule.subjects[0] not in sent.subject):
        return None
    if rule.body_words and rule.body_words[0] not in sent.text.lower():
        return None
    text = sent.text.encode("utf-8-sig")
    html = f"<p>{sent.text}</p>".encode("utf-8-sig")
    body = {None: [], SavedBody.TEXT: [text], SavedBody.HTML: [html if sent.is_html else text]}
    both = [text, html] if sent.is_html else [text]
    return [content for _, content in named] + body.get(rule.save_body, both)


def _has_name(part: Part, rule: Rule) -> bool:
    if rule.attachment_names:
        return any(fnmatch.fnmatchcase(part.name.lower(), each) for each in rule.attachment_names)
    return not part.inline and not (part.members and rule.unpack)


def _expected(stored: Sequence[Rule], sent: Mail) -> tuple[list[Saved], list[tuple[str, str]], tuple[str, int]]:
    """What is saved of a mail, of what the metadata are, and its state."""
    found = [(rule, _selected(rule, sent)) for rule in stored if rule.enabled]
    matched = [(rule, contents) for rule, contents in found if contents is not None]
    saved = [(rule, each) for rule, contents in matched for each in contents if each is not None]
    described = [(rule.folder, hashlib.sha256(each).hexdigest()) for rule, each in saved if rule.save_metadata]
    lacks = any(each is None for _, contents in matched for each in contents)
    state = "red" if lacks else "green" if matched else "amber"
    return [(rule.folder, each) for rule, each in saved], described, (state, len(matched))


# Rules, mail and what happens, at random.

_NAMES = st.sampled_from(["a.csv", "A.CSV", "a.CSV", "b.txt", "Ä.csv"])
_CONTENTS = st.sampled_from([b"", b"1;2\n", b"3;4\n", bytes(range(256)) * 4])
_MEMBERS = st.dictionaries(_NAMES, _CONTENTS, min_size=1, max_size=3).map(lambda each: tuple(each.items()))
_PARTS = st.one_of(
    st.builds(Part, _NAMES, _CONTENTS),
    st.builds(Part, _NAMES, st.none()),
    st.builds(Part, st.just("logo.png"), st.just(b"PNG"), inline=st.just(True)),
    st.builds(Part, st.just("all.zip"), members=_MEMBERS),
)
_MAILS = st.lists(
    st.builds(
        Mail,
        account=st.integers(1, 2),
        sender=st.sampled_from(["lab@example.com", "x@other.example"]),
        subject=st.sampled_from(["Results", "New Results", "Other"]),
        text=st.sampled_from(["Lead 42 mg/l", "nothing"]),
        is_html=st.booleans(),
        parts=st.lists(_PARTS, max_size=4).map(tuple),
        copied=st.booleans(),
    ),
    min_size=1,
    max_size=4,
)
_RULES = st.lists(
    st.builds(
        Rule,
        name=st.just("Rule"),
        folder=st.sampled_from(FOLDERS),
        enabled=st.sampled_from([True, True, True, False]),
        account_id=st.sampled_from([None, None, 1, 2]),
        senders=st.sampled_from([(), (), ("example.com",)]),
        subjects=st.sampled_from([(), (), ("Results",)]),
        body_words=st.sampled_from([(), (), ("lead",)]),
        attachment_names=st.sampled_from([(), (), ("*.csv",), ("a.*", "b.*")]),
        unpack=st.sampled_from([frozenset[Container](), frozenset({Container.ZIP})]),
        save_body=st.sampled_from([None, None, *SavedBody]),
        save_metadata=st.booleans(),
    ),
    min_size=1,
    max_size=3,
)
_JUMPS = st.sampled_from([timedelta(), timedelta(hours=5), -timedelta(minutes=40), -timedelta(days=400)])
_ROUNDS = st.lists(
    st.builds(
        Round,
        deaths=st.lists(st.integers(1, 80), min_size=1, max_size=2).map(tuple),
        watched=st.booleans(),
        imported_again=st.booleans(),
        jump=_JUMPS,
    ),
    max_size=3,
)
_AS_LONG_AS_IT_TAKES: Final = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.mark.slow
@settings(max_examples=30, suppress_health_check=_AS_LONG_AS_IT_TAKES)
@given(_RULES, _MAILS, _ROUNDS)
@example(
    [Rule("Rule", "one", unpack=frozenset({Container.ZIP}), save_metadata=True), Rule("Rule", "one")],
    [Mail(parts=(Part("a.csv", b"1"), Part("A.csv", b"2"), Part("z.zip", members=(("a.csv", b"3"), ("A.csv", b"4")))))],
    [Round((10, 15), watched=True, imported_again=True, jump=timedelta()) for _ in range(3)],
)
async def test_what_is_selected_arrives_once(
    gateway: Gateway, tmp_path: Path, stored: list[Rule], mails: list[Mail], rounds: list[Round]
) -> None:
    await _holds(gateway, tmp_path, stored, mails, rounds)


@pytest.mark.slow
@on_every_database
@settings(max_examples=6, suppress_health_check=_AS_LONG_AS_IT_TAKES)
@given(_RULES, _MAILS, _ROUNDS)
async def test_the_same_on_every_database(
    gateway: Gateway, tmp_path: Path, stored: list[Rule], mails: list[Mail], rounds: list[Round]
) -> None:
    await _holds(gateway, tmp_path, stored, mails, rounds)


async def _holds(
    gateway: Gateway, tmp_path: Path, stored: Sequence[Rule], mails: Sequence[Mail], rounds: Sequence[Round]
) -> None:
    site = Site(gateway, tmp_path / str(next(_NUMBERS)))
    try:
        watcher = site.watcher = _Watchers(site.root)
        await site.database.write(_empty)
        for number, rule in enumerate(stored):
            await site.database.write(_adding(replace(rule, name=f"Rule {number}"), site))
        records = [_record(each, number) for number, each in enumerate(mails)]
        await site.receive(*records)
        for each, sent in list(zip(records, mails, strict=True)):
            again = replace(each, graph_message_id=f"{each.graph_message_id} copy")
            # One with a part that is not stored may not be a copy.
            if sent.copied and await site.store.save(again) is Outcome.IMPORTED:
                mails, records = [*mails, sent], [*records, again]
        for planned in rounds:
            await _die(site, planned)
            if planned.imported_again:
                for record in records:
                    await site.store.replace(_moved(record))
            site.clock.now += planned.jump
        site.clock.advance(4 * MAX_WAIT)  # a clock that was set back often delays what the dead had claimed
        async with site.delivering():
            await until(site.is_settled)
        watcher.look()
        expected = [_expected(stored, sent) for sent in mails]
        saved = Counter((path.split("/")[0], data) for path, data in watcher.taken if not path.endswith(".json"))
        described = Counter(
            (path.split("/")[0], json.loads(data)["sha256"]) for path, data in watcher.taken if path.endswith(".json")
        )
        assert saved == Counter(each for contents, _, _ in expected for each in contents)
        assert described == Counter(each for _, sums, _ in expected for each in sums)
        assert await site.states() == [state for _, _, state in expected]
        assert watcher.temporary == []
    finally:
        await site.close()


async def _die(site: Site, planned: Round) -> None:
    """Run deliveries until each has died, or all is settled."""
    fates = [Fate(each) for each in planned.deaths]
    stop = asyncio.Event()
    hosts = [
        asyncio.create_task(site.deliverer(fate, name=f"host {next(_NUMBERS)}", watched=planned.watched).run(stop))
        for fate in fates
    ]

    async def is_over() -> bool:
        return all(each.dead.is_set() for each in fates) or await site.is_settled()

    with contextlib.suppress(AssertionError):  # a clock that was set back delays what the dead had claimed
        await until(is_over, seconds=1.0)
    for fate in fates:
        fate.dies_at = 0  # in the middle of anything
    stop.set()
    for each in hosts:
        each.cancel()
    await asyncio.gather(*hosts, return_exceptions=True)
    await site.threads_end()  # a process that is killed leaves none that goes on
    site.clock.advance(LEASE + timedelta(seconds=1))


def _record(sent: Mail, number: int) -> MessageRecord:
    parts = [
        attached(
            place,
            each.name,
            each.stored,
            inline=each.inline,
            content_id="logo@1" if each.inline else None,
            content_type="image/png" if each.inline else "application/octet-stream",
        )
        for place, each in enumerate(sent.parts)
    ]
    return mail(
        f"m{number}",
        parts,
        account_id=sent.account,
        from_address=sent.sender,
        subject=sent.subject,
        body_type="html" if sent.is_html else "text",
        body=f"<p>{sent.text}</p>" if sent.is_html else sent.text,
        body_text=sent.text,
    )


def _moved(record: MessageRecord) -> MessageRecord:
    """The message as another import brings it: its attachments in another order."""
    parts = [replace(each, position=place) for place, each in enumerate(reversed(record.attachments))]
    return replace(record, attachments=parts)


def _adding(rule: Rule, site: Site) -> Callable[[Connection], None]:
    def add(connection: Connection) -> None:
        with rules.editing(connection, now=site.clock() - timedelta(days=4000)) as editor:
            kind = SubjectKind.CONTAINS if rule.subjects else None
            editor.add(replace(rule, folder=str(site.root / rule.folder), subject_kind=kind))

    return add


def _empty(connection: Connection) -> None:
    for table in (email_file, email_rule, message_identity, message):
        connection.execute(delete(table))


@dataclass(slots=True)
class _Watchers(Watcher):
    """Auto importers of all folders, called by any thread. `taken` has the paths below the root."""

    lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        for each in FOLDERS:
            (self.folder / each).mkdir()

    def _files(self) -> Iterator[Path]:
        for each in FOLDERS:
            yield from sorted((self.folder / each).iterdir())

    def look(self) -> None:
        with self.lock:
            for each in self._files():
                if not each.name.startswith("."):
                    self.taken.append((str(each.relative_to(self.folder)), each.read_bytes()))
                    each.unlink()

    @property
    def temporary(self) -> list[str]:
        return [each.name for each in self._files()]
