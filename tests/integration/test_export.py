"""`mail-importer export`: a message as a file, whole, or a sentence with the reason of its absence."""

import base64
import hashlib
import json
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import update

from console.messages.export_files import FORMAT
from db.tables import attachment, message, original
from simulator.calls import Operation
from simulator.content.contents import GeneratedContent
from simulator.content.mail import Attachment, Mail, Person, file_attachment, mime, reference_attachment
from simulator.faults import FaultKind
from simulator.state.mail_server import DeliveredMessage
from tests.databases import on_every_database
from tests.integration.world import World

pytestmark = on_every_database

Command = Callable[..., Awaitable[Result]]

MEBIBYTE = 1024 * 1024
MAIL = Mail(
    subject="Prüfbericht 測定",
    sender=Person("Labor", "labor@example.com"),
    to=(Person("Zoé", "z@example.com"), Person("Anna", "a@example.com")),
    cc=(Person("Ben", None),),
    body="Grüße",
    internet_message_id="<befund-7@labor.example>",
    categories=("Grün",),
    attachments=(
        file_attachment("a.csv", b"1;2\r\n", "text/csv"),
        file_attachment("empty.txt", b""),
        reference_attachment("link", "https://files.example/x"),
    ),
)


async def imported(world: World, mail: Mail = MAIL, **options: Any) -> DeliveredMessage:  # noqa: ANN401  # passed through
    mailbox, account = await world.account_of("Nord")
    (delivered,) = await world.deliver(mailbox, 1, mail)
    await world.notify(account, [delivered])
    await world.import_all(**options)
    return delivered


def eml(*more: str) -> tuple[str, ...]:
    return ("export", "Nord", "--format", "eml", *more)


@pytest.mark.parametrize("by", ["number", "graph id", "internet message id", "without brackets"])
async def test_an_eml_is_the_original_byte_for_byte(world: World, command: Command, by: str) -> None:
    delivered = await imported(world, keep_mime=True)
    names = {
        "number": "1",
        "graph id": delivered.message_id,
        "internet message id": "<befund-7@labor.example>",
        "without brackets": "befund-7@labor.example",
    }
    result = await command(*eml("--id", names[by]))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout_bytes == mime(delivered.message.mail)


async def test_a_large_one_is_written_in_pieces(world: World, command: Command, tmp_path: Path) -> None:
    """It is longer than one read."""
    mail = Mail(attachments=(Attachment("scan.tif", GeneratedContent(9 * MEBIBYTE, seed=4)),))
    delivered = await imported(world, mail, keep_mime=True)
    target = tmp_path / "out.eml"
    assert (await command(*eml("--id", "1", "--output", str(target)))).exit_code == 0
    assert target.read_bytes() == mime(delivered.message.mail)


async def test_the_json_has_all_that_the_database_holds(world: World, command: Command) -> None:
    """Recipients and attachments in order, contents in base64, missing values as null."""
    delivered = await imported(world, keep_mime=True)
    result = await command("export", "Nord", "--id", "1", "--format", "json")
    assert result.exit_code == 0
    found = json.loads(result.stdout_bytes.decode("utf-8"))
    assert "Prüfbericht 測定" in result.stdout_bytes.decode("utf-8")
    wanted = {
        "format": FORMAT,
        "account": "Nord",
        "message_id": 1,
        "graph_id": delivered.message_id,
        "internet_message_id": "<befund-7@labor.example>",
        "subject": "Prüfbericht 測定",
        "from": {"name": "Labor", "address": "labor@example.com"},
        "categories": ["Grün"],
        "body_type": "text",
        "body": "Grüße",
        "has_attachments": True,
        "after_import": None,
        "rules": {"state": "white", "matched": None, "files": []},
        "copies": [],
        "recipients": [
            {"kind": "to", "name": "Zoé", "address": "z@example.com"},
            {"kind": "to", "name": "Anna", "address": "a@example.com"},
            {"kind": "cc", "name": "Ben", "address": None},
        ],
    }
    assert {name: found[name] for name in wanted} == wanted
    assert found["received"].endswith("Z")
    assert {each["name"] for each in found["headers"]} == {"MIME-Version"} or found["headers"] == []
    assert (found["original"]["state"], found["original"]["purged"]) == ("stored", False)
    assert found["original"]["sha256"] == hashlib.sha256(mime(delivered.message.mail)).hexdigest()
    assert [
        (each["file_name"], each["state"], None if each["content"] is None else base64.b64decode(each["content"]))
        for each in found["attachments"]
    ] == [("a.csv", "stored", b"1;2\r\n"), ("empty.txt", "stored", b""), ("link", "linked", None)]
    assert list(found["attachments"][0])[-1] == "content"


async def test_every_column_of_the_tables_is_in_the_json(world: World, command: Command) -> None:
    """A new column must reach the readers of exported files; all have another value than null.

    Only the templates of texts stay out: each text itself is in it.
    """
    await imported(world, keep_mime=True)
    texts = [each for each in message.c if each.nullable and each.type.python_type is str]
    texts.remove(message.c.sAfterImportDetailPhrase)
    states = {"sAfterImport": "read", "sAfterImportState": "done", "sRuleState": "green"}
    states["sCategories"] = '["sCategories"]'
    values = {each.name: states.get(each.name, each.name) for each in texts if each.name != "sImportance"}
    parts = [each for each in attachment.c if each.nullable and each.type.python_type is str]
    await world.database.write(lambda c: c.execute(update(message).values(values)))
    await world.database.write(lambda c: c.execute(update(attachment).values({each.name: each.name for each in parts})))
    text = (await command("export", "Nord", "--id", "1", "--format", "json")).stdout
    missing = [value for value in (*values.values(), *(each.name for each in parts)) if json.dumps(value) not in text]
    assert [value for value in missing if value != states["sCategories"]] == []
    assert "sCategories" in text


async def test_a_message_without_anything_below_it_is_whole_json(world: World, command: Command) -> None:
    await imported(world, Mail(subject=None, sender=None, is_draft=True))
    found = json.loads((await command("export", "Nord", "--id", "1", "--format", "json")).stdout)
    assert (found["attachments"], found["original"], found["subject"]) == ([], None, None)


async def test_a_large_attachment_needs_little_memory(world: World, command: Command, tmp_path: Path) -> None:
    """It needs a fraction of its JSON, on databases whose driver does not hold more."""
    large = GeneratedContent(30 * MEBIBYTE, seed=8)
    delivered = await imported(world, Mail(attachments=(Attachment("scan.tif", large),)))
    target = tmp_path / "out.json"
    tracemalloc.start()
    # Not by its number: a busy database may have restarted the import, which takes another one.
    result = await command("export", "Nord", "--id", delivered.message_id, "--format", "json", "--output", str(target))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (result.exit_code, result.stderr) == (0, "")
    assert peak < 30 * MEBIBYTE
    content = json.loads(target.read_bytes())["attachments"][0]["content"]
    assert hashlib.sha256(base64.b64decode(content)).hexdigest() == large.sha256


# Missing messages.


async def test_an_original_that_was_not_kept_is_not_made_up(world: World, command: Command) -> None:
    """The error names the remedy; and the remedy works."""
    delivered = await imported(world)
    result = await command(*eml("--id", "1"))
    assert (result.exit_code, result.stdout_bytes) == (1, b"")
    assert "keep_mime was false when it was imported" in result.stderr
    again = f"mail-importer import Nord --force --id {delivered.message_id}"
    assert again in result.stderr
    assert (await command(*again.split()[1:], keep_mime=True)).exit_code == 0
    assert (await command(*eml("--id", "1"))).stdout_bytes == mime(delivered.message.mail)


async def test_one_that_could_not_be_had_or_was_purged_is_reported(world: World, command: Command) -> None:
    world.fault(FaultKind.CORRUPT, operation=Operation.GET_MIME)
    await imported(world, keep_mime=True)
    result = await command(*eml("--id", "1"))
    assert result.exit_code == 1
    assert "could not be had when it was imported (unreadable: ErrorCorruptData" in result.stderr

    await world.database.write(lambda c: c.execute(update(original).values(sState="stored")))
    result = await command(*eml("--id", "1"))
    assert result.exit_code == 1
    assert "was purged (mail-importer db purge)" in result.stderr


@pytest.mark.parametrize("damage", [{"nStoredSize": 7_000_000}, {"sSHA256": "0" * 64}, {"biContent": b"no gzip"}])
async def test_a_damaged_original_is_no_file(
    world: World, command: Command, tmp_path: Path, damage: dict[str, Any]
) -> None:
    """The partial file is removed."""
    await imported(world, keep_mime=True)
    if "biContent" in damage:
        damage = {**damage, "nStoredSize": len(damage["biContent"])}
    await world.database.write(lambda c: c.execute(update(original).values(damage)))
    folder = tmp_path / "exported"
    folder.mkdir()
    result = await command(*eml("--id", "1", "--output", str(folder / "out.eml")))
    assert result.exit_code == 1
    assert "is not what was stored" in result.stderr
    assert list(folder.iterdir()) == []


async def test_contents_that_change_while_they_are_read_are_no_file(
    world: World, command: Command, tmp_path: Path
) -> None:
    await imported(world)
    await world.database.write(lambda c: c.execute(update(attachment).values(nSize=9)))
    result = await command("export", "Nord", "--id", "1", "--format", "json", "--output", str(tmp_path / "out.json"))
    assert result.exit_code == 1
    assert "was changed or deleted while it was read" in result.stderr
    assert not (tmp_path / "out.json").exists()


async def test_what_was_never_imported_is_reported_in_a_sentence(world: World, command: Command) -> None:
    """A message that another account imported is missing, too."""
    delivered = await imported(world, keep_mime=True)
    await world.account_of("Sud")
    for name, wanted, said in [
        ("Nord", "99999999999999999999999", "has no imported message with that id"),
        ("Nord", "2", "has no imported message with that id"),
        ("Sud", delivered.message_id, "Account 'Sud' has no imported message with that id"),
        ("nobody", "1", "no account named 'nobody'"),
    ]:
        result = await command("export", name, "--id", wanted, "--format", "eml")
        assert (result.exit_code, result.stdout_bytes) == (1, b"")
        assert said in result.stderr
    assert (await command("export", "Nord", "--id", " ", "--format", "eml")).exit_code == 2


async def test_an_internet_message_id_of_several_is_distinguished(world: World, command: Command) -> None:
    mailbox, account = await world.account_of("Nord")
    delivered = [
        *await world.deliver(mailbox, 1, MAIL),
        *await world.deliver(mailbox, 1, Mail(internet_message_id=MAIL.internet_message_id, body="of another size")),
    ]
    await world.notify(account, delivered)
    await world.import_all()
    result = await command("export", "Nord", "--id", "<befund-7@labor.example>", "--format", "json")
    assert result.exit_code == 1
    assert "Select one by nMessageID: 1, 2" in result.stderr


# Files.


async def test_a_file_that_is_there_stays_unless_it_is_forced(world: World, command: Command, tmp_path: Path) -> None:
    """It becomes the message with --force, or stays unchanged if there is none."""
    delivered = await imported(world, keep_mime=True)
    target = tmp_path / "out.eml"
    target.write_text("mine")
    result = await command(*eml("--id", "1", "--output", str(target)))
    assert result.exit_code == 1
    assert "exists. Overwrite it with --force" in result.stderr
    assert target.read_text() == "mine"
    assert (await command(*eml("--id", "9", "--output", str(target), "--force"))).exit_code == 1
    assert target.read_text() == "mine"
    assert (await command(*eml("--id", "1", "--output", str(target), "--force"))).exit_code == 0
    assert target.read_bytes() == mime(delivered.message.mail)
    assert target.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("place", ["missing/out.eml", "file/out.eml"])
async def test_a_place_that_cannot_be_written_to_is_reported(
    world: World, command: Command, tmp_path: Path, place: str
) -> None:
    await imported(world, keep_mime=True)
    (tmp_path / "file").write_text("")
    result = await command(*eml("--id", "1", "--output", str(tmp_path / place)))
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr
    assert "Traceback" not in result.stderr


async def test_where_there_are_no_links_the_file_is_claimed(
    world: World, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems have no links."""
    delivered = await imported(world, keep_mime=True)

    def refuse(*_: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr("os.link", refuse)
    target = tmp_path / "out.eml"
    assert (await command(*eml("--id", "1", "--output", str(target)))).exit_code == 0
    assert target.read_bytes() == mime(delivered.message.mail)
