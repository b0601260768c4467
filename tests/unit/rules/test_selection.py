"""The files that a matching rule saves of a message: which, under which names and keys, and what cannot be saved."""

from typing import Any

import pytest

from phrases import Phrase
from rules.mail import MailFacts, Member
from rules.rule import Container, SavedBody
from rules.selection import WantedFile, files_of
from tests.unit.rules.samples import archive, attachment, mail, rule

ZIP = frozenset({Container.ZIP})
ALL = frozenset(Container)
LOGO = attachment("logo.png", 5, inline=True, content_type="image/png")


def files(facts: MailFacts, **fields: Any) -> list[WantedFile]:  # noqa: ANN401  # any field
    return files_of(rule(**fields), facts)


def names(facts: MailFacts, **fields: Any) -> list[str]:  # noqa: ANN401  # any field
    return [each.file_name for each in files(facts, **fields)]


def of(*attachments: Any, **fields: Any) -> MailFacts:  # noqa: ANN401  # any field
    return mail(attachments=attachments, **fields)


def test_attachments() -> None:
    """Attachments that fit are saved, with all that is known of them."""
    [found] = files(of(attachment("a.pdf"), attachment("b.CSV", 1)), attachment_names=("*.csv",))
    assert (found.part, found.file_name, found.position, found.size) == ("attachment", "b.CSV", 1, 100)
    assert (found.member, found.problem, found.reason, found.describes) == (None, None, None, None)
    assert len(found.key) == 64


def test_nothing_to_save() -> None:
    """A rule that saves no attachments uses them as a condition alone."""
    assert names(of(attachment()), attachment_names=("*.csv",), save_attachments=False, save_original=True) == [
        "Prüfbericht.eml"
    ]


def test_inline_pictures() -> None:
    """A picture within the body is saved where a pattern names it; links never are."""
    link = attachment("link.csv", 6, kind="reference", state="linked", sha256=None)
    facts = of(attachment(), LOGO, link)
    assert names(facts) == ["results.csv"]
    assert names(facts, attachment_names=("*.png",)) == ["logo.png"]
    assert names(facts, attachment_names=("*",)) == ["results.csv", "logo.png"]


def test_archive_is_replaced_by_its_files() -> None:
    """Without patterns the files in a .zip are saved in its place; with patterns what fits, the .zip included."""
    facts = of(archive("a/x.csv", "b/x.csv", "c.txt"))
    assert names(facts) == ["data.zip"]
    assert names(facts, unpack=ZIP) == ["x.csv", "x (2).csv", "c.txt"]
    assert names(facts, unpack=ZIP, attachment_names=("*.csv",)) == ["x.csv", "x (2).csv"]
    assert names(facts, unpack=ZIP, attachment_names=("*.csv", "*.zip")) == ["data.zip", "x.csv", "x (2).csv"]
    found = files(facts, unpack=ZIP)[1]
    assert (found.part, found.position, found.member, found.member_number, found.size) == ("zip", 0, "b/x.csv", 1, 50)


def test_archive_without_a_list() -> None:
    """A .zip that cannot be read is saved itself; where patterns are for its files, it is a problem."""
    facts = of(archive(members=None))
    [found] = files(facts, unpack=ZIP)
    assert (found.file_name, found.problem) == ("data.zip", None)
    [found] = files(facts, unpack=ZIP, attachment_names=("*.csv",))
    assert (found.file_name, found.reason) == ("data.zip", "Damaged")
    [found] = files(of(archive(members=None, purged=True)), unpack=ZIP, attachment_names=("*.csv",))
    assert found.reason == "Purged"
    assert names(of(archive("folder/")), unpack=ZIP) == ["data.zip"]


@pytest.mark.parametrize("word", ["Encrypted", "TooLarge", "TooMany", "Damaged", "New"])
def test_unreadable_files_in_an_archive(word: str) -> None:
    """A file in a .zip that cannot be read is named with the reason; the others are saved."""
    members = [Member(0, "a.csv", 50, word), Member(1, "b.csv", 50)]
    bad, good = files(of(archive(members=members)), unpack=ZIP)
    assert (bad.file_name, bad.reason) == ("a.csv", word)
    assert isinstance(bad.problem, Phrase)
    assert "'a.csv' in 'data.zip'" in bad.problem
    assert (good.file_name, good.problem) == ("b.csv", None)


def test_containers_are_replaced_by_their_contents() -> None:
    """Without patterns the contents of a container are saved in its place, if anything came out of it."""
    facts = of(
        attachment("mail.eml", 0, kind="item"),
        attachment("empty.eml", 1, kind="item"),
        attachment("winmail.dat", 2, origin="item", parent=0),
        attachment("a.csv", 3, origin="tnef", parent=2),
    )
    assert names(facts) == ["mail.eml", "empty.eml"]
    assert names(facts, unpack={Container.ITEM}) == ["empty.eml", "winmail.dat"]
    assert names(facts, unpack=ALL) == ["empty.eml", "a.csv"]
    assert names(facts, unpack=ALL, attachment_names=("*.csv", "mail.*")) == ["mail.eml", "a.csv"]
    assert names(facts, unpack={Container.TNEF}) == ["mail.eml", "empty.eml"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"state": "too_large"}, "TooLarge"),
        ({"state": "unreadable"}, "Unreadable"),
        ({"state": "gone"}, "Gone"),
        ({"state": "new"}, "NotStored"),
        ({"purged": True}, "Purged"),
    ],
)
def test_what_is_not_stored(fields: dict[str, Any], reason: str) -> None:
    """An attachment that fits and is not in the database is a problem, without metadata."""
    [found] = files(of(attachment(**fields)), attachment_names=("*.csv",), save_metadata=True)
    assert (found.part, found.reason) == ("attachment", reason)
    assert isinstance(found.problem, Phrase)
    assert "results.csv" in found.problem
    assert names(of(attachment("a.pdf", **fields)), attachment_names=("*.csv",)) == []


@pytest.mark.parametrize(
    ("saved", "has_html", "expected"),
    [
        (None, True, []),
        (SavedBody.TEXT, True, ["Prüfbericht.txt"]),
        (SavedBody.TEXT, False, ["Prüfbericht.txt"]),
        (SavedBody.HTML, True, ["Prüfbericht.html"]),
        (SavedBody.HTML, False, ["Prüfbericht.txt"]),
        (SavedBody.BOTH, True, ["Prüfbericht.txt", "Prüfbericht.html"]),
        (SavedBody.BOTH, False, ["Prüfbericht.txt"]),
    ],
)
def test_body(saved: SavedBody | None, has_html: bool, expected: list[str]) -> None:
    """The body is saved in the form it has."""
    assert names(mail(has_html=has_html), save_body=saved) == expected


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        (None, "message.txt"),
        ("..", "message.txt"),
        ("AW: Bericht 1.5", "AW_ Bericht 1.5.txt"),
        ("notes.txt", "notes.txt"),
        ("試験報告", "試験報告.txt"),
        ("a" * 100_000, "a" * 196 + ".txt"),
    ],
)
def test_name_of_the_body(subject: str | None, name: str) -> None:
    """The body is named after the subject."""
    assert names(mail(subject=subject), save_body=SavedBody.TEXT) == [name]


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("stored", None),
        (None, "NotKept"),
        ("too_large", "TooLarge"),
        ("unreadable", "Unreadable"),
        ("gone", "Gone"),
        ("purged", "Purged"),
    ],
)
def test_original(state: str | None, reason: str | None) -> None:
    """The original is saved, or the reason is named for which it cannot be."""
    [found] = files(mail(original_state=state), save_original=True)
    assert (found.part, found.file_name, found.reason) == ("original", "Prüfbericht.eml", reason)
    assert (found.problem is None) is (reason is None)


def test_metadata() -> None:
    """Metadata stands after each file, by its name and key, and takes no name of another file."""
    facts = of(attachment("a.csv"), attachment("a.csv.json", 1), original_state="stored")
    found = files(facts, save_original=True, save_metadata=True)
    assert [each.file_name for each in found] == [
        "a.csv",
        "a.csv.json",
        "a.csv.json_",
        "a.csv.json_.json",
        "Prüfbericht.eml",
        "Prüfbericht.eml.json",
    ]
    assert [each.part for each in found[1::2]] == ["metadata"] * 3
    assert [each.describes for each in found[1::2]] == [each.key for each in found[::2]]
    assert len({each.key for each in found}) == 6


def test_keys_are_stable() -> None:
    """A key is the same at another position, under another safe name, and in another rule; equal ones are counted."""
    first = files(of(attachment("a.csv", 0, sha256="a" * 64), attachment("b.csv", 1, sha256="b" * 64)))
    again = files(
        of(
            attachment("new", 0),
            attachment("b.csv", 1, sha256="b" * 64, safe_name="b (2).csv"),
            attachment("a.csv", 2, sha256="a" * 64),
        ),
        file_name="{number}",
    )
    assert {each.key for each in first} < {each.key for each in again}
    equal = files(of(*(attachment("a.csv", number, sha256="a" * 64) for number in range(3))))
    assert len({each.key for each in equal}) == 3
    assert equal[0].key == first[0].key
    lost = files(of(attachment("a.csv", 0, sha256=None, state="too_large")))
    assert lost[0].key not in {each.key for each in equal}
    members = files(of(archive("a.csv", "a.csv", "x/a.csv")), unpack=ZIP)
    assert len({each.key for each in members}) == 3


def test_template() -> None:
    """A template names the files; the recipient is the one that fits the rule."""
    facts = of(
        attachment("a.csv"), attachment("b.CSV", 1), recipients=("someone@else.example", "lab+12@riviere.example")
    )
    found = names(
        facts,
        recipients=("lab+*@riviere.example",),
        file_name="{received:%Y%m%d}_{recipient_tag}_{number:02}",
        save_body=SavedBody.TEXT,
    )
    assert found == ["20260331_12_01.csv", "20260331_12_02.csv", "20260331_12_03.txt"]
    assert names(facts, file_name="{recipient}.{ext}")[0] == "someone@else.example.csv"
    assert names(facts, file_name="all") == ["all.csv", "all (2).csv"]
    assert names(mail(subject=None), file_name="{name}_{stem}", save_body=SavedBody.TEXT) == ["message.txt_message.txt"]


def test_names_are_unique() -> None:
    """Names that some file system takes for one are told apart, however many there are."""
    many = [f"folder{number}/data.csv" for number in range(20_000)]
    found = names(of(attachment("DATA.csv", 1), archive(*many)), unpack=ZIP)
    assert len({each.lower() for each in found}) == 20_001
    assert found[:2] == ["DATA.csv", "data (2).csv"]


@pytest.mark.parametrize(
    ("sent", "saved"),
    [
        ("a.csv.json", "a.csv.json_"),
        ("A.JSON", "A.JSON_"),
        ("a.csv", "a.csv"),
    ],
)
def test_no_sender_can_give_a_file_the_name_of_metadata(sent: str, saved: str) -> None:
    found = files(of(attachment(sent)), save_metadata=True)
    assert [each.file_name for each in found] == [saved, f"{saved}.json"]
    [alone] = files(of(attachment(sent)))
    assert alone.file_name == sent


@pytest.mark.parametrize("sent", [".hidden.csv", "\u200e.hidden.csv", ".mail-importer-1-abc.part"])
def test_no_file_is_hidden_from_watchers(sent: str) -> None:
    [found] = files(of(attachment(sent)))
    assert found.file_name.startswith("_.")
