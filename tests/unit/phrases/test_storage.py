"""A phrase is stored as JSON beside its English text, and read back only if it is that text."""

import gettext
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from db.outcomes import ActionKind
from phrases import Phrase
from phrases.storage import MAX_LENGTH, from_json, to_json

LAST = datetime(2026, 3, 31, 12, 0, 5, tzinfo=UTC)


class Loud(gettext.NullTranslations):
    """Marks each template that it translates."""

    def gettext(self, message: str) -> str:
        return f"<{message}>"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return f"<{msgid1 if n == 1 else msgid2}>"


@pytest.mark.parametrize(
    "phrase",
    [
        Phrase("No values, {braces} as they are."),
        Phrase("Account {name!r}: {number} of {all}, {part:.1f} %.", name="l'atelier", number=3, all=None, part=0.25),
        Phrase("Nothing after {last:%Y-%m-%d %H:%M} UTC, which is {last}.", last=LAST),
        Phrase.counted("{n} message", "{n} messages", n=1),
        Phrase.counted("{n} message", "{n} messages", n=7),
        Phrase.joined(Phrase("One."), Phrase("Two, {why}", why=ValueError(Phrase("since {x}", x="é\ud800")))),
        Phrase("The action {kind} took {time}.", kind=ActionKind.MOVE, time=timedelta(seconds=3)),
    ],
    ids=lambda phrase: phrase.encode("ascii", "replace").decode()[:20],
)
def test_it_comes_back_with_what_it_was_made_of(phrase: Phrase) -> None:
    stored = to_json(phrase)
    assert stored is not None
    assert stored.isascii()
    found = from_json(stored, "".join(phrase))
    assert isinstance(found, Phrase)
    assert found == phrase
    assert found.translated(Loud()) == phrase.translated(Loud())


@pytest.mark.parametrize("text", [None, "", "plain", Phrase.verbatim("of others"), Phrase("x" * MAX_LENGTH)])
def test_other_texts_are_not_stored(text: str | None) -> None:
    """A text that is the same in every language needs none, and one that is too long stays English."""
    assert to_json(text) is None


def test_only_what_the_text_shows_is_stored() -> None:
    """A value that no reader sees does not enter the database in this way."""
    assert "secret" not in str(to_json(Phrase("Sign-in failed for {name}.", name="x", token="secret")))
    counted = Phrase.counted("It failed.", "{n} failed, the last {subject}.", n=1, subject="secret")
    assert "secret" not in str(to_json(counted))
    assert from_json(to_json(counted), counted) == counted


def test_the_number_is_there_for_languages_that_show_it() -> None:
    class French(gettext.NullTranslations):
        def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:  # noqa: ARG002  # the signature is gettext's
            return "{n} échec"

    counted = Phrase.counted("It failed.", "{n} failed.", n=1)
    found = from_json(to_json(counted), "It failed.")
    assert isinstance(found, Phrase)
    assert found.translated(French()) == "1 échec"


def test_what_the_translation_lacks_leaves_it_english() -> None:
    class French(gettext.NullTranslations):
        def gettext(self, message: str) -> str:  # noqa: ARG002  # the signature is gettext's
            return "{missing} {when:%Y}"

    found = from_json(to_json(Phrase("At {when}.", when="noon")), "At noon.")
    assert isinstance(found, Phrase)
    assert found.translated(French()) == "At noon."


def test_deep_phrases_are_kept_as_far_as_they_are_bounded() -> None:
    phrase = Phrase("End.")
    for _ in range(50):
        phrase = Phrase("Because: {why}", why=phrase)
    found = from_json(to_json(phrase), phrase)
    assert isinstance(found, Phrase)
    assert found == phrase
    assert 1 < found.translated(Loud()).count("<") < 20


def phrase_with(**fields: Any) -> dict[str, Any]:  # noqa: ANN401  # of JSON
    return {"template": "It is {x}.", "values": {"x": "so"}} | fields


def nested(depth: int) -> dict[str, Any]:
    found = phrase_with()
    for _ in range(depth):
        found = {"template": "{x}", "values": {"x": found}}
    return found


BAD = [
    None,
    1,
    "",
    "{",
    "It is so.",
    "[" * 10_000,
    '{"a":' * 3_000,
    "9" * 10_000,
    json.dumps(phrase_with()) + " " * MAX_LENGTH,
    *map(
        json.dumps,
        [
            [],
            {},
            "It is so.",
            {"template": "It is so."},
            phrase_with(values=["so"]),
            phrase_with(values={}),
            phrase_with(values={"x": "not so"}),
            phrase_with(values={"x": ["so"]}),
            phrase_with(values={"x": {}}),
            phrase_with(values={"x": {"time": 1}}),
            phrase_with(values={"x": {"time": "so"}}),
            phrase_with(template=1),
            phrase_with(template=None),
            phrase_with(template="It is {x"),
            phrase_with(template="It is {}."),
            phrase_with(template="It is {0}."),
            phrase_with(template="It is {x[0]}{x[1]}."),
            phrase_with(template="It is {x!s}."),
            phrase_with(template="It is {x!a}."),
            phrase_with(template="It is {x:>2}."),
            phrase_with(template="It is {x:{x}}."),
            phrase_with(template="It is {y}."),
            phrase_with(plural=1),
            phrase_with(plural="{x.__class__}", count=1),
            phrase_with(plural="They are {x}.", count=2),
            phrase_with(plural="They are {x}.", count="1"),
            phrase_with(plural="They are {x}.", count=True),
            phrase_with(plural="They are {x}.", count=1.0),
            phrase_with(template="It is {x:.0f}.", values={"x": 10**400}),
            nested(30),
        ],
    ),
]


@pytest.mark.parametrize("stored", BAD, ids=range(len(BAD)))
def test_what_is_no_phrase_of_this_text_leaves_it_english(stored: object) -> None:
    """The database is an input: whatever stands there, the text is shown, and the command goes on."""
    found = from_json(stored, "It is so.")
    assert found == "It is so."
    assert not isinstance(found, Phrase)


def test_attributes_of_values_are_not_read() -> None:
    """Also where the text beside it is what they would show."""
    stored = json.dumps(phrase_with(template="It is {x.__class__}."))
    text = "It is {x.__class__}.".format(x="so")
    assert not isinstance(from_json(stored, text), Phrase)


def test_few_characters_do_not_make_a_text_without_end() -> None:
    """Each phrase in it is at most as long as the whole, and the fields are counted."""
    found: dict[str, Any] = phrase_with()
    for _ in range(6):
        found = {"template": "{x}" * 500, "values": {"x": found}}
    assert from_json(json.dumps(found), "It is so.") == "It is so."


def test_without_a_text_there_is_nothing() -> None:
    assert from_json(json.dumps(phrase_with()), None) is None
