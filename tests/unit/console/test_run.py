"""Errors of `run` about an address or a file that a role cannot use."""

import ssl

import click
import pytest

from console.run import Work, serve
from console.settings import Settings
from console.wiring.roles import ConsoleUnavailable
from db.queries.processes import CONSOLE, RECEIVER

STORE = "windows:LocalMachine/My/9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B"


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"tls_cert": "a.pem", "tls_key": "a.key"}, "{role}_tls_cert and {role}_tls_key cannot be used"),
        ({"tls_cert": STORE}, "{role}_tls_cert cannot be used"),
    ],
)
@pytest.mark.parametrize("role", [RECEIVER, CONSOLE])
def test_a_certificate_that_cannot_be_used_is_named_by_its_settings(
    role: str, changed: dict[str, str], named: str
) -> None:
    """One of a Windows store has no file of a key, which an operator would look for."""
    settings = Settings.model_validate({f"{role}_{name}": value for name, value in changed.items()})
    error = ssl.SSLError(1, "its key is not exportable")

    def refuse(_work: Work) -> None:
        if role == RECEIVER:
            raise error
        raise ConsoleUnavailable from error

    with pytest.raises(click.ClickException, match="its key is not exportable") as caught:
        serve(settings, (role,), refuse)
    assert named.format(role=role) in caught.value.message
