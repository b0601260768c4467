"""Thumbprints as options and arguments, for the commands of accounts and certificates."""

import click

from console.output import tell, wrong_value
from graph.application import NO_CERTIFICATE
from graph.certificates import invisible_signs, normalise_thumbprint
from graph.errors import CertificateError
from phrases import Phrase


def thumbprint_argument(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    """Read a pasted thumbprint, or `none`, and report invisible characters in it. An invalid one is wrong usage."""
    if text is None:
        return None
    if text.strip().lower() == NO_CERTIFICATE:
        return NO_CERTIFICATE
    try:
        thumbprint = normalise_thumbprint(text)
    except CertificateError as exc:
        raise wrong_value(Phrase.of(exc)) from exc
    invisible = invisible_signs(text)
    if invisible:
        tell(Phrase("Invisible characters were removed from the thumbprint: {names}.", names=invisible))
    return thumbprint
