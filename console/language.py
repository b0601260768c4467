"""The language of what people read: chosen by `--language`, `MAIL_IMPORTER_LANGUAGE`, or the locale. Logs stay English.

One catalogue has our phrases and those of click, in gettext's default domain `messages`, which is the one click asks.
"""

import gettext
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

import click

from phrases import Phrase

VARIABLE: Final = "MAIL_IMPORTER_LANGUAGE"
LANGUAGES: Final = ("en", "fr")
FOLDER: Final = Path(__file__).parent / "locale"
_DOMAIN: Final = "messages"
_KEY: Final = "console.language"


def of_environment(environment: Mapping[str, str]) -> str:
    """The language that the variable, or else the locale, asks for; `en` when it asks for one that is not here."""
    for name in (VARIABLE, "LC_ALL", "LC_MESSAGES", "LANG"):
        asked = environment.get(name, "").lower()
        if asked:
            return next((language for language in LANGUAGES if asked.startswith(language)), LANGUAGES[0])
    return LANGUAGES[0]


def choose(context: click.Context, language: str) -> None:
    """Speak this language from here on, in this invocation."""
    context.find_root().meta[_KEY] = language
    # click finds its own words by the process's gettext settings only.
    gettext.bindtextdomain(_DOMAIN, str(FOLDER))
    os.environ["LANGUAGE"] = language


def chosen() -> str:
    """The language of the invocation that is under way; `en` outside of one."""
    context = click.get_current_context(silent=True)
    return LANGUAGES[0] if context is None else context.find_root().meta.get(_KEY, LANGUAGES[0])


def said(text: str) -> str:
    """The text in the chosen language, if it is a phrase; any other as it is."""
    return text.said_by(_catalogue(chosen())) if isinstance(text, Phrase) else text


def reason_of(error: BaseException) -> str:
    """What the error says, in the chosen language if it was made of a phrase."""
    return said(error.args[0]) if error.args and isinstance(error.args[0], Phrase) else str(error)


@lru_cache(maxsize=len(LANGUAGES))
def _catalogue(language: str) -> gettext.NullTranslations:
    return gettext.translation(_DOMAIN, FOLDER, [language], fallback=language == LANGUAGES[0])
