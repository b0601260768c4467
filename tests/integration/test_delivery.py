"""Files of mail arrive in import folders: those that rules select, each once, whatever dies."""

import asyncio
import errno
import gzip
import hashlib
import io
import json
import threading
import zipfile
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Final

import pytest
from sqlalchemy import Connection
from structlog.testing import capture_logs

from db.errors import DatabaseUnavailable
from db.queries import files, rule_matches
from db.queries.files import LEASE
from db.queries.rule_matches import Matches
from db.records import OriginalRecord
from delivery import deliverer
from delivery.contents import Contents
from delivery.errors import NAME_TOO_LONG, NameRefused
from delivery.folders import ImportFolder
from phrases import Phrase
from rules.rule import Container, SavedBody, SubjectKind
from tests.databases import Gateway, on_every_database
from tests.doubles.rule_mail import attached, mail
from tests.integration.delivery_site import Fate, Site
from tests.waiting import until

CSV: Final = b"site;value\n12;42\n"


@pytest.fixture
async def site(gateway: Gateway, tmp_path: Path) -> AsyncIterator[Site]:
    made = Site(gateway, tmp_path)
    yield made
    await made.close()


@on_every_database
async def test_what_rules_select_is_saved_and_the_message_is_green(site: Site) -> None:
    await site.add_rule(senders=("example.com",), attachment_names=("*.csv",))
    await site.add_rule(name="None", subject_kind=SubjectKind.IS, subjects=("Other",))
    await site.receive(
        mail("m1", [attached(0, "a.csv", CSV), attached(1, "b.pdf", b"%PDF")]),
        mail("m2", [attached(0, "c.csv", b"1")], from_address="x@other.example", subject="Nothing"),
    )
    await site.settle()
    assert site.saved == [("a.csv", CSV)]
    assert await site.states() == [("green", 1), ("amber", 0)]
    assert await site.files("sTargetPath") == [str(site.folder / "a.csv")]
    assert site.leftovers == []


async def test_each_rule_that_matches_does_its_work(site: Site) -> None:
    other = site.root / "other"
    other.mkdir()
    await site.add_rule()
    await site.add_rule(name="Copy", folder=str(other), file_name="{received:%Y%m%d}_{sender_domain}_{name}")
    await site.receive(mail("m1", [attached(0, "a.csv", CSV)]))
    await site.settle()
    assert site.saved == [("a.csv", CSV)]
    assert [(each.name, each.read_bytes()) for each in other.iterdir()] == [("20260331_example.com_a.csv", CSV)]
    assert await site.states() == [("green", 2)]


async def test_nothing_there_is_overwritten(site: Site) -> None:
    (site.folder / "a.csv").write_bytes(b"of another program")
    await site.add_rule()
    await site.receive(*(mail(f"m{number}", [attached(0, "a.csv", CSV)]) for number in range(30)))
    await site.settle()
    assert [name for name, _ in site.saved] == sorted(["a.csv", *(f"a ({number}).csv" for number in range(2, 32))])
    assert dict(site.saved)["a.csv"] == b"of another program"


async def test_a_name_that_the_file_system_finds_too_long_is_shortened(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As encrypted ones do: they announce 255 bytes and take 143."""
    exists = ImportFolder.exists

    def of_short_names(folder: ImportFolder, name: str) -> bool:
        if len(name) > 143:
            raise NameRefused(NAME_TOO_LONG, Phrase("too long"))
        return exists(folder, name)

    monkeypatch.setattr(ImportFolder, "exists", of_short_names)
    await site.add_rule()
    await site.receive(mail("m1", [attached(0, f"{'n' * 190}.csv", CSV)]))
    await site.settle()
    [(name, content)] = site.saved
    assert (name.startswith("nnn"), name.endswith(".csv"), len(name) <= 143, content) == (True, True, True, CSV)
    assert await site.states() == [("green", 1)]


async def test_mail_from_before_a_rule_is_left_alone(site: Site) -> None:
    await site.receive(mail("m1", [attached(0, "a.csv", CSV)]))
    site.clock.advance(timedelta(hours=2))
    await site.add_rule()
    await site.receive(mail("m2", [attached(0, "b.csv", CSV)]))
    await site.settle()
    assert site.saved == [("b.csv", CSV)]
    assert await site.states() == [("amber", 0), ("green", 1)]


async def test_body_and_metadata_are_saved_beside_the_file(site: Site) -> None:
    await site.add_rule(save_body=SavedBody.TEXT, save_metadata=True)
    await site.receive(mail("m1", [attached(0, "a.csv", CSV)]))
    await site.settle()
    saved = dict(site.saved)
    assert sorted(saved) == ["Results.txt", "Results.txt.json", "a.csv", "a.csv.json"]
    assert saved["Results.txt"].decode("utf-8-sig") == "Lead 42 mg/l m1"
    facts = json.loads(saved["a.csv.json"])
    assert facts["file_name_as_sent"] == "a.csv"
    assert facts["sender"] == "lab@example.com"
    assert facts["message_id"] == "<m1@example.com>"
    assert facts["size"] == len(CSV)


async def test_metadata_have_the_name_that_their_file_got(site: Site) -> None:
    (site.folder / "a.csv").write_bytes(b"old")
    await site.add_rule(save_metadata=True)
    await site.receive(mail("m1", [attached(0, "a.csv", CSV)]))
    await site.settle()
    assert "a (2).csv.json" in dict(site.saved)


async def test_what_is_not_stored_makes_the_message_red_and_the_rest_is_saved(site: Site) -> None:
    await site.add_rule()
    await site.receive(mail("m1", [attached(0, "big.csv", None), attached(1, "a.csv", CSV)]))
    await site.settle()
    assert site.saved == [("a.csv", CSV)]
    assert await site.states() == [("red", 1)]
    assert sorted(await site.files()) == ["failed", "saved"]


async def test_files_in_archives_are_saved(site: Site) -> None:
    await site.add_rule(attachment_names=("*.csv",), unpack=frozenset({Container.ZIP}))
    await site.receive(mail("m1", [attached(0, "all.zip", _zip({"x/one.csv": CSV, "two.txt": b"no"}))]))
    await site.settle()
    assert site.saved == [("one.csv", CSV)]


async def test_the_original_is_saved_as_it_came(site: Site) -> None:
    mime = b"From: lab@example.com\r\n\r\nLead 42"
    packed = gzip.compress(mime)
    kept = OriginalRecord("stored", None, len(mime), hashlib.sha256(mime).hexdigest(), "gzip", len(packed), packed)
    await site.add_rule(save_original=True, save_attachments=False)
    await site.receive(mail("m1", original=kept), mail("m2"))
    await site.settle()
    assert site.saved == [("Results.eml", mime)]
    assert await site.states() == [("green", 1), ("red", 1)]


async def test_a_rule_applies_to_mail_from_the_moment_at_which_it_is_added(site: Site) -> None:
    """Whatever rules were read shortly before."""
    await site.add_rule(name="Other", subject_kind=SubjectKind.IS, subjects=("Other",))
    async with site.delivering():
        await site.receive(mail("m1", [attached(0, "a.csv", CSV)]))
        await until(lambda: site.states_are("amber"))
        await site.add_rule()
        await site.receive(mail("m2", [attached(0, "b.csv", CSV)]))
        await until(lambda: site.states_are("amber", "green"))


async def test_metadata_name_the_attachment_that_they_describe_wherever_it_is_now(site: Site) -> None:
    await site.add_rule(save_metadata=True)
    await site.receive(mail("m1", [attached(0, "a.csv", CSV), attached(1, "b.csv", b"b")]))
    await site.settle_checks()
    await site.store.replace(mail("m1", [attached(0, "b.csv", b"b"), attached(1, "a.csv", CSV)]))
    await site.settle()
    saved = dict(site.saved)
    assert json.loads(saved["a.csv.json"])["file_name_as_sent"] == "a.csv"
    assert json.loads(saved["b.csv.json"])["file_name_as_sent"] == "b.csv"


async def test_a_result_that_cannot_be_written_holds_up_no_other(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    note = rule_matches.note

    def refusing(connection: Connection, found: Sequence[Matches], *, now: datetime) -> set[int]:
        if any(each.files[0].name == "b.csv" for each in found):
            raise ValueError("refused")
        return note(connection, found, now=now)

    monkeypatch.setattr(rule_matches, "note", refusing)
    await site.add_rule()
    await site.receive(*(mail(name, [attached(0, f"{name}.csv", CSV)]) for name in "abc"))
    async with site.delivering():
        await until(lambda: site.states_are("green", "white", "green"))


@pytest.mark.parametrize(
    "fault", [DatabaseUnavailable(Phrase("It restarts.")), OSError(errno.ENOSPC, "full"), MemoryError()], ids=repr
)
async def test_a_message_whose_archive_cannot_be_read_just_now_is_checked_again_soon(
    site: Site, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """It is no fault of the program. The fault may be of that message alone, so the others go on meanwhile."""
    monkeypatch.setattr(deliverer, "_HOST_PAUSE_SECONDS", 0.01)
    read = Contents.read_attachment
    is_down, tries = True, 0

    def reading(contents: Contents, message_id: int, position: int) -> IO[bytes]:
        nonlocal tries
        if is_down:
            tries += 1
            raise fault
        return read(contents, message_id, position)

    monkeypatch.setattr(Contents, "read_attachment", reading)
    await site.add_rule(attachment_names=("*.csv",), unpack=frozenset({Container.ZIP}))
    await site.receive(
        mail("m1", [attached(0, "all.zip", _zip({"a.csv": CSV}))]), mail("m2", [attached(0, "b.csv", CSV)])
    )
    with capture_logs() as logs:
        async with site.delivering():
            for count in (1, 2):
                await until(lambda count=count: [each["event"] for each in logs].count("rule_check_postponed") == count)
                assert tries == count
                await until(lambda: site.saved == [("b.csv", CSV)])
                is_down = count < 2
                site.clock.advance(timedelta(seconds=10 * count))
            await until(lambda: site.states_are("green", "green"))
    assert site.saved == [("a.csv", CSV), ("b.csv", CSV)]
    assert not [each for each in logs if each["log_level"] in {"error", "critical"}]


# Folders in trouble.


async def test_a_missing_folder_waits_and_holds_up_no_other(site: Site) -> None:
    missing = site.root / "missing"
    await site.add_rule(name="Missing", folder=str(missing))
    await site.add_rule()
    await site.receive(mail("m1", [attached(0, "a.csv", CSV)]))
    async with site.delivering():
        await until(lambda: site.saved == [("a.csv", CSV)])
        await until(lambda: _is(site, "red"))
        assert await site.files("sReason") == ["FolderMissing", None]
        missing.mkdir()
        site.clock.advance(timedelta(seconds=30))
        await until(lambda: _is(site, "green"))
    assert (missing / "a.csv").read_bytes() == CSV


async def test_files_of_a_folder_that_is_left_alone_say_why_and_an_operator_has_them_tried_at_once(site: Site) -> None:
    missing = site.root / "missing"
    await site.add_rule(folder=str(missing))
    await site.receive(mail("m1", [attached(0, "a.csv", CSV)]))
    async with site.delivering():
        await until(lambda: _is(site, "red"))
        await site.receive(mail("m2", [attached(0, "b.csv", CSV)]))
        await until(lambda: site.states_are("red", "white"))
        site.clock.advance(timedelta(seconds=1))
        site.pass_time(seconds=11)
        await until(lambda: site.states_are("red", "red"))
        missing.mkdir()
        numbers = await site.files("nFileID")
        await site.database.write(lambda c: files.retry(c, numbers, now=site.clock()))
        site.pass_time(seconds=11)
        await until(lambda: site.states_are("green", "green"))


async def test_a_file_that_cannot_be_saved_for_a_week_has_failed(site: Site) -> None:
    await site.add_rule(folder=str(site.root / "missing"))
    await site.receive(mail("m1", [attached(0, "a.csv", CSV)]))
    async with site.delivering():
        await until(lambda: _is(site, "red"))
        site.clock.advance(timedelta(days=7, hours=1))
        await until(site.is_settled)
    assert await site.files() == ["failed"]


async def test_a_folder_outside_the_roots_is_left_to_other_hosts(site: Site, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (site.root / "link").symlink_to(outside)
    await site.add_rule(name="Outside", folder=str(outside))
    await site.add_rule(name="Link", folder=str(site.root / "link"))
    await site.add_rule()
    await site.receive(mail("m1", [attached(0, "a.csv", CSV)]))
    async with site.delivering():
        await until(lambda: _is(site, "red"))
        await until(lambda: site.saved == [("a.csv", CSV)])
    assert list(outside.iterdir()) == []
    assert sorted(map(str, await site.files("sReason"))) == ["LinkInPath", "None", "None"]


async def test_the_clock_jumps_and_nothing_waits_for_ever(site: Site) -> None:
    await site.add_rule()
    site.clock.advance(timedelta(days=400))
    await site.receive(mail("m1", [attached(0, "a.csv", CSV)]))
    fate = Fate(dies_at=12)
    await site.die(fate)
    site.clock.now -= timedelta(days=400)
    await site.settle()
    assert site.saved == [("a.csv", CSV)]


# Death.


async def test_a_process_may_die_at_any_step_and_each_file_arrives_once(site: Site) -> None:
    await site.add_rule(save_metadata=True)
    await site.receive(mail("m0", [attached(0, "a.csv", CSV), attached(1, "a.csv", b"two")]))
    fate = Fate()
    await site.die(fate)
    assert fate.steps > 20
    site.watcher.look()
    site.watcher.taken.clear()
    for dies_at in range(1, fate.steps + 1):
        await site.receive(mail(f"m{dies_at}", [attached(0, "a.csv", CSV), attached(1, "a.csv", b"two")]))
        await site.die(Fate(dies_at))
        await site.settle()
        taken = sorted(content for name, content in site.watcher.taken if not name.endswith(".json"))
        assert taken == sorted([CSV, b"two"]), dies_at
        assert len(site.watcher.taken) == 4, dies_at
        assert site.leftovers == [], dies_at
        site.watcher.taken.clear()


async def test_the_same_while_each_file_is_taken_at_once(site: Site) -> None:
    await site.add_rule()
    await site.receive(mail("m0", [attached(0, "a.csv", CSV), attached(1, "b.csv", b"two")]))
    fate = Fate()
    await site.die(fate, watched=True)
    site.watcher.taken.clear()
    for dies_at in range(1, fate.steps + 1):
        await site.receive(mail(f"m{dies_at}", [attached(0, "a.csv", CSV), attached(1, "b.csv", b"two")]))
        await site.die(Fate(dies_at), watched=True)
        await site.settle()
        assert sorted(site.watcher.taken) == [("a.csv", CSV), ("b.csv", b"two")], dies_at
        assert site.leftovers == [], dies_at
        site.watcher.taken.clear()


@on_every_database
async def test_two_hosts_share_a_folder(site: Site) -> None:
    await site.add_rule()
    await site.receive(*(mail(f"m{number}", [attached(0, "a.csv", b"%d" % number)]) for number in range(40)))
    async with site.delivering(site.deliverer(name="one"), site.deliverer(name="two")):
        await until(site.is_settled)
    assert sorted(content for _, content in site.saved) == sorted(b"%d" % number for number in range(40))
    assert site.leftovers == []


async def test_a_host_that_was_only_slow_finds_its_file_saved_by_another(site: Site) -> None:
    """Its claim is over when it comes to rename: the temporary file can be renamed once."""
    await site.add_rule()
    await site.receive(mail("m1", [attached(0, "a.csv", CSV)]))
    fate = Fate()
    slow = site.deliverer(fate, name="slow")
    published = asyncio.Event()
    release = asyncio.Event()
    loop = asyncio.get_running_loop()
    step = fate.step

    def waits_before_renaming() -> None:
        is_in_folder = threading.current_thread() is not threading.main_thread()
        if is_in_folder and any(site.leftovers) and not published.is_set():
            loop.call_soon_threadsafe(published.set)
            asyncio.run_coroutine_threadsafe(release.wait(), loop).result()
        step()

    fate.step = waits_before_renaming  # type: ignore[method-assign]  # the double's own
    async with site.delivering(slow):
        await published.wait()
        site.clock.advance(LEASE + timedelta(seconds=1))
        async with site.delivering(site.deliverer(name="other")):
            await until(site.is_settled)
        release.set()
        await until(lambda: not site.leftovers)
    assert site.saved == [("a.csv", CSV)]
    assert await site.files() == ["saved"]


async def _is(site: Site, state: str) -> bool:
    return [found for found, _ in await site.states()] == [state]


def _zip(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()
