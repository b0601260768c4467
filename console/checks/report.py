"""The support report of a failed test: everything but secrets, as one JSON document.

It contains no passwords, keys, connection strings or tokens: secret settings are reported as set or not, URLs without
user and query, of the token only its claims. No mail is in it either.
"""

import json
import platform
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies

from console.checks.account import AccountTest, Candidate
from console.checks.runner import Result, Step, count
from console.files import written
from console.output import as_json
from console.settings import Settings
from console.wiring.host import host_name
from graph.certificates import Certificate
from operatingsystem import user_number

_FORMAT: Final = 1
_PACKAGES: Final = (
    "aiohttp", "azure-servicebus", "cryptography", "mail-importer", "msal", "psycopg", "pydantic", "pyodbc",
    "sqlalchemy",
)  # fmt: skip


def outcome(candidate: Candidate, steps: Sequence[Step], *, started: datetime) -> dict[str, Any]:
    """Return the result for programs: one object, with the steps in order."""
    bad = count(steps, Result.FAILED)
    return {
        "account": candidate.settings.name,
        "user_id": candidate.settings.user_id,
        "result": str(Result.FAILED if bad else Result.PASSED),
        "failed": bad,
        "warned": count(steps, Result.WARNED),
        "started": started,
        "seconds": round(sum(step.seconds for step in steps), 3),
        "steps": [step.data() for step in steps],
    }


def bundle(
    settings: Settings, candidate: Candidate, test: AccountTest, steps: Sequence[Step], *, started: datetime
) -> dict[str, Any]:
    """Build the report."""
    return {
        "format": _FORMAT,
        "test": outcome(candidate, steps, started=started),
        "account": {"account_id": candidate.account_id, **asdict(candidate.settings)},
        "settings": {name: settings.shown(name) for name in sorted(type(settings).model_fields)},
        "certificate": _facts(test.certificate),
        "token_claims": dict(test.claims),
        "proxies": {scheme: _without_user(proxy) for scheme, proxy in sorted(getproxies().items())},
        "host": {
            "name": host_name(),
            "platform": platform.platform(),
            "python": platform.python_version(),
            "openssl": ssl.OPENSSL_VERSION,
            "process_user": _user(),
        },
        "versions": _versions(),
    }


def write(document: Mapping[str, Any], path: Path) -> None:
    """Write the report; an existing file is replaced.

    Raises:
        click.ClickException: it cannot be written.
    """
    text = json.dumps(document, indent=2, ensure_ascii=False, default=as_json)
    with written(path, force=True) as file:
        file.write(f"{text}\n".encode())


def _facts(certificate: Certificate | None) -> dict[str, object] | None:
    if certificate is None:
        return None
    return {
        "thumbprint": certificate.thumbprint,
        "thumbprint_sha256": certificate.thumbprint_sha256,
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "serial": certificate.serial,
        "not_before": certificate.not_before,
        "not_after": certificate.not_after,
        "self_signed": certificate.self_signed,
        "private_key": certificate.has_private_key,
        "certificate": certificate.public_pem,
        "issuers_beside_it": list(certificate.chain_pem),
    }


def _without_user(proxy: str) -> str:
    return (
        proxy.rpartition("@")[2]
        if "://" not in proxy
        else urlsplit(proxy)
        ._replace(netloc=urlsplit(proxy).netloc.rpartition("@")[2], path="", query="", fragment="")
        .geturl()
    )


def _user() -> str:
    # The number only: the user's name stays on this host.
    return user_number()


def _versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found
