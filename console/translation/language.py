"""The language of the output: chosen by `--language`, `MAIL_IMPORTER_LANGUAGE`, or the locale. Logs stay English.

One catalogue has the product's phrases and help texts, and the words of click, in gettext's default domain `messages`,
which click uses.
"""

import gettext
import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Final

import click

from operatingsystem import interface_language
from phrases import Phrase

VARIABLE: Final = "MAIL_IMPORTER_LANGUAGE"
ENGLISH: Final = "en"
LANGUAGES: Final = (ENGLISH, "fr")
FOLDER: Final = Path(__file__).parent / "locale"
_DOMAIN: Final = "messages"
_KEY: Final = "console.translation.language"
_SPOKEN: Final[ContextVar[str | None]] = ContextVar("console.translation.language", default=None)
_UNWRAPPED: Final = "\b"
"""The mark of a paragraph of a help text whose lines stay as they are."""


def of_environment(environment: Mapping[str, str], elsewhere: Callable[[], str] = interface_language) -> str:
    """The language set by the variable, or else by the locale; English where that one is not available.

    `elsewhere`: the source where no variable is set.
    """
    named = (environment.get(name) for name in (VARIABLE, "LC_ALL", "LC_MESSAGES", "LANG"))
    asked = (next(filter(None, named), None) or elsewhere()).lower()
    return next((language for language in LANGUAGES if asked.startswith(language)), ENGLISH)


def choose(context: click.Context, language: str) -> None:
    """Use this language from here on, in this invocation."""
    context.find_root().meta[_KEY] = language
    # click finds its own words by the process's gettext settings only.
    gettext.bindtextdomain(_DOMAIN, str(FOLDER))
    os.environ["LANGUAGE"] = language


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Have `chosen` be this language for what runs in the context: a request of the web console has one of its own."""
    token = _SPOKEN.set(language)
    try:
        yield
    finally:
        _SPOKEN.reset(token)


def chosen() -> str:
    """The language of the request or the invocation that is under way; English outside of one."""
    spoken = _SPOKEN.get()
    if spoken is not None:
        return spoken
    context = click.get_current_context(silent=True)
    return ENGLISH if context is None else str(context.find_root().meta.get(_KEY, ENGLISH))


def translated(text: str) -> str:
    """The text in the chosen language, if it is a phrase; any other as it is."""
    return text.translated(catalogue(chosen())) if isinstance(text, Phrase) else text


def reason_of(error: BaseException) -> str:
    """The text of the error, in the chosen language if it was made of a phrase."""
    return translated(Phrase.of(error))


def translated_help(text: str) -> str:
    """A help text, which is plain for click's sake, in the chosen language; a phrase as a phrase."""
    if isinstance(text, Phrase):
        return translated(text)
    plain = unwrapped(text)
    return catalogue(chosen()).gettext(plain) if plain else ""


def unwrapped(text: str) -> str:
    """A help text without the line breaks and indents of the source: the key it has in the catalogue."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(each if each.startswith(_UNWRAPPED) else " ".join(each.split()) for each in paragraphs)


def block(*lines: Phrase) -> Phrase:
    """A paragraph of a help text whose lines stay as they are."""
    return Phrase.joined(Phrase.verbatim(_UNWRAPPED), *lines, by="\n")


@lru_cache(maxsize=len(LANGUAGES))
def catalogue(language: str) -> gettext.NullTranslations:
    """The texts of the language; empty for English."""
    return gettext.translation(_DOMAIN, FOLDER, [language], fallback=language == ENGLISH)


def catalogue_file(language: str) -> Path:
    """The compiled catalogue of a language that is not English."""
    return FOLDER / language / "LC_MESSAGES" / f"{_DOMAIN}.mo"
