"""A phrase is its English text, and can be rendered in another language, with its values."""

import copy
import gettext
import pickle

import pytest

from phrases import Phrase

_FRENCH = {
    "Account {name!r} is added.": "Le compte {name!r} est ajouté.",
    "Certificate {thumbprint} expired.": "Le certificat {thumbprint} a expiré.",
    "Make a new one.": "Créez-en un nouveau.",
    "It failed: {reason}": "Échec : {reason}",
    "Use {braces} as they are.": "Employez {braces} tels quels.",
}


class French(gettext.NullTranslations):
    """A few phrases."""

    def gettext(self, message: str) -> str:
        return _FRENCH.get(message, message)

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        known = {"{n} action is due.": ("{n} action est due.", "{n} actions sont dues.")}
        one, many = known.get(msgid1, (msgid1, msgid2))
        return one if n < 2 else many  # French uses the singular for zero


def test_it_is_its_english_text() -> None:
    assert Phrase("Account {name!r} is added.", name="laboratory") == "Account 'laboratory' is added."


def test_it_is_said_in_another_language() -> None:
    phrase = Phrase("Account {name!r} is added.", name="laboratory")
    assert phrase.translated(French()) == "Le compte 'laboratory' est ajouté."


@pytest.mark.parametrize(
    ("n", "english", "french"),
    [
        (0, "0 actions are due.", "0 action est due."),
        (1, "1 action is due.", "1 action est due."),
        (2, "2 actions are due.", "2 actions sont dues."),
    ],
)
def test_each_language_counts_in_its_way(n: int, english: str, french: str) -> None:
    phrase = Phrase.counted("{n} action is due.", "{n} actions are due.", n=n)
    assert (phrase, phrase.translated(French())) == (english, french)


def test_phrases_in_phrases_are_said_too() -> None:
    expired = Phrase.joined(Phrase("Certificate {thumbprint} expired.", thumbprint="9F"), "", Phrase("Make a new one."))
    phrase = Phrase("It failed: {reason}", reason=expired)
    assert phrase == "It failed: Certificate 9F expired. Make a new one."
    assert phrase.translated(French()) == "Échec : Le certificat 9F a expiré. Créez-en un nouveau."


def test_what_has_no_translation_stays_english() -> None:
    assert Phrase("Nobody translated {this}.", this="me").translated(French()) == "Nobody translated me."
    assert Phrase("").translated(French()) == ""


def test_braces_of_others_are_left_alone() -> None:
    assert Phrase.verbatim("{not} a field").translated(French()) == "{not} a field"
    assert Phrase("Use {braces} as they are.").translated(French()) == "Employez {braces} tels quels."
    assert Phrase("It failed: {reason}", reason="{x}").translated(French()) == "Échec : {x}"


def test_copies_remember_what_they_were_made_of() -> None:
    phrase = Phrase.counted("{n} action is due.", "{n} actions are due.", n=3)
    for same in (copy.deepcopy(phrase), pickle.loads(pickle.dumps(phrase))):  # noqa: S301  # own bytes
        assert same == phrase
        assert same.translated(French()) == "3 actions sont dues."


def test_a_value_is_exchanged_wherever_it_went_in() -> None:
    """It is exchanged within the phrases that a phrase was made of, too, and in every language."""
    who = Phrase("account {name!r}", name="one")
    why = Phrase.joined(Phrase("Sign-in for {who} was refused.", who=who), Phrase("Ask {n}.", n=1))
    reported = why.exchanged(who, Phrase("account {name!r}", name="two"))
    assert reported == "Sign-in for account 'two' was refused. Ask 1."
    assert why == "Sign-in for account 'one' was refused. Ask 1."
    assert reported.translated(gettext.NullTranslations()) == reported
