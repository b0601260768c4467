"""The check that stands for those of the certificate where an identity signs in."""

import jwt

from console.checks.certificate import identity_check
from console.checks.runner import Result, run_checks
from graph.application import Application
from graph.errors import SignInRefused
from graph.identity import OwnTokens
from phrases import Phrase

APPLICATION = Application("support", "account Support", "t", "c", "")
TOKEN = jwt.encode({"iss": "https://issuer", "sub": "principal", "aud": ["api://AzureADTokenExchange"]}, "k" * 32)


class FixedIdentity:
    def __init__(self, *, itself: bool = False, refused: bool = False) -> None:
        self._itself = itself
        self._refused = refused

    def own_tokens(self, application: Application) -> OwnTokens | None:
        async def issue(resource: str) -> tuple[str, float]:
            raise AssertionError(resource)

        return issue if self._itself and application == APPLICATION else None

    async def assertion(self, application: Application) -> str:
        if self._refused:
            raise SignInRefused(Phrase("The token file is missing."), advice=Phrase("Label the pod."))
        assert application == APPLICATION
        return TOKEN


async def test_it_shows_what_the_federated_credential_must_repeat() -> None:
    (step,) = await run_checks([identity_check(FixedIdentity(), APPLICATION)])
    assert step.finding.result is Result.PASSED
    assert "issuer https://issuer, subject principal, audience api://AzureADTokenExchange" in step.finding.found
    assert TOKEN not in str(step.data())


async def test_the_application_that_is_the_identity_needs_no_credential() -> None:
    (step,) = await run_checks([identity_check(FixedIdentity(itself=True), APPLICATION)])
    assert step.finding.facts == {"federated": False}


async def test_an_identity_that_is_not_there_fails_with_the_remedy() -> None:
    (step,) = await run_checks([identity_check(FixedIdentity(refused=True), APPLICATION)])
    assert (step.finding.result, step.finding.cause) == (Result.FAILED, "The token file is missing.")
    assert step.finding.remedy == "Label the pod."
