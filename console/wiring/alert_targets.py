"""The targets of alerts, from the setting itself or from the file that it names."""

from pathlib import Path

from console.settings import Settings, SettingsError
from operatingsystem import others_access
from phrases import Phrase
from phrases.commands import quoted


def alert_targets(settings: Settings) -> tuple[str, ...]:
    """Return the Apprise URLs of `alerts`, which hold secrets; empty where there is none.

    Raises:
        SettingsError: `alerts` cannot be used; no target is in the text.
    """
    if settings.alerts is None:
        return ()
    text = settings.alerts.get_secret_value().strip()
    if "://" in text:
        return _urls(text.split(), Phrase.verbatim("alerts"))
    path = Path(text)
    try:
        access = others_access(text)
    except (OSError, ValueError) as exc:
        # The text is not repeated: it may be a target that was mistyped.
        raise SettingsError(Phrase("alerts: it is neither a URL (scheme://…) nor the path of a file.")) from exc
    if access:
        raise SettingsError(
            Phrase(
                "alerts: the file {path} is open to other users of this computer, and holds secrets. Run: chmod 600 "
                "{quoted}",
                path=path,
                quoted=quoted(text),
            )
        )
    try:
        lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else Phrase("it is not UTF-8")
        raise SettingsError(Phrase("alerts: the file {path} cannot be read: {why}.", path=path, why=why)) from exc
    return _urls(
        [line for line in lines if line and not line.startswith("#")], Phrase("alerts: the file {path}", path=path)
    )


def _urls(found: list[str], place: Phrase) -> tuple[str, ...]:
    for number, url in enumerate(found, 1):
        scheme, separator, rest = url.partition("://")
        if not (scheme and separator and rest):
            raise SettingsError(
                Phrase("{place}: target {number} is not a URL such as mailto://….", place=place, number=number)
            )
    return tuple(found)
