"""The check that takes the place of those of a certificate where the host's own identity signs in."""

from collections.abc import Mapping
from typing import Final

from console.checks.runner import Check, Finding, passed
from graph.claims import claims_of
from graph.identity import Voucher
from phrases import Phrase

VOUCHED: Final = "host_identity"
_SHOWN: Final = ("iss", "sub", "aud")


def identity_check(voucher: Voucher, used_for: str) -> Check:
    """The check that the host has an identity, with what a federated credential of the application must name."""

    async def run() -> Finding:
        claims: Mapping[str, object] = claims_of(await voucher.assertion(used_for))
        facts = {name: claims[name] for name in _SHOWN if name in claims}
        return passed(
            Phrase(
                "Its federated credential: issuer {issuer}, subject {subject}, audience {audience}.",
                issuer=facts.get("iss", ""),
                subject=facts.get("sub", ""),
                audience=facts.get("aud", ""),
            ),
            facts,
        )

    return Check(VOUCHED, Phrase("This host has an identity"), run, (), 40)
