"""Checks of the account's certificate: found, its key readable and matching, in date, trusted where required."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from console.checks.runner import Check, Finding, finding_of, passed, warned
from graph.application import Application
from graph.certificates import (
    Certificate,
    CertificateStore,
    FolderStore,
    StoreEntry,
    check_key,
    check_usable,
    invisible_signs,
    normalise_thumbprint,
)
from graph.errors import CertificateError, CertificateFault, GraphError, update_command
from graph.identity import Identity, shown
from graph.token import TokenSource
from graph.transport import load_roots
from phrases import Phrase
from subscriptions.certificates import EARLY

FOUND: Final = "certificate_found"
READABLE: Final = "private_key_readable"
MATCHES: Final = "private_key_matches"
IN_DATE: Final = "certificate_in_date"
TRUSTED: Final = "certificate_trusted"
NEXT: Final = "next_certificate"
IDENTITY: Final = "identity"
ALL: Final = (FOUND, READABLE, MATCHES, IN_DATE, TRUSTED)


def identity_check(identity: Identity, application: Application) -> Check:
    """The check in place of those of the certificate, where an identity signs in: its token is there."""

    async def obtain() -> Finding:
        if identity.own_tokens(application) is not None:
            return passed(Phrase("the application of the account is the managed identity itself"), {"federated": False})
        presented = shown(await identity.assertion(application))
        return passed(
            Phrase("the federated credential of the application must have {presented}", presented=presented),
            {"federated": True, "presented": str(presented)},
        )

    return Check(IDENTITY, Phrase("This host has its identity"), obtain, seconds=20)


class CertificateChecks:
    """The checks for one account.

    Args:
        store: with its certificates.
        elsewhere: folders with a certificate by mistake.
        application: of the account.
        ca_bundle: the setting.
        tokens: to sign in with the next certificate.
        clock: aware time.
    """

    def __init__(
        self,
        store: CertificateStore,
        application: Application,
        *,
        elsewhere: Sequence[Path],
        ca_bundle: Path | None,
        tokens: TokenSource,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._application = application
        self._elsewhere = elsewhere
        self._ca_bundle = ca_bundle
        self._tokens = tokens
        self._clock = clock
        self._entry: StoreEntry | None = None
        self._usable: Certificate | None = None
        self._stranger: CertificateError | None = None

    @property
    def certificate(self) -> Certificate | None:
        """The certificate found, without its key."""
        return None if self._entry is None else self._entry.certificate

    def checks(self) -> list[Check]:
        """The checks, in order."""
        return [
            Check(FOUND, Phrase("The certificate is found"), self._in_thread(self._find)),
            Check(READABLE, Phrase("Its private key can be read"), self._in_thread(self._read_key), (FOUND,)),
            Check(MATCHES, Phrase("The private key is its own"), self._in_thread(self._match), (READABLE,)),
            Check(IN_DATE, Phrase("The certificate is in date"), self._in_thread(self._judge_dates), (FOUND,)),
            Check(TRUSTED, Phrase("The certificate is trusted"), self._in_thread(self._judge_trust), (IN_DATE,)),
        ]

    def next_check(self, needs: Sequence[str]) -> list[Check]:
        """The check of the next certificate; none where the account names none."""
        if self._application.next_thumbprint is None:
            return []
        return [Check(NEXT, Phrase("The next certificate signs in as well"), self._sign_in_with_next, needs, 20)]

    @staticmethod
    def _in_thread(work: Callable[[], Finding]) -> Callable[[], asyncio.Future[Finding]]:
        return lambda: asyncio.ensure_future(asyncio.to_thread(work))

    def _find(self) -> Finding:
        pasted = self._application.thumbprint
        thumbprint = normalise_thumbprint(pasted)
        self._entry = next(
            (each for each in self._store.list() if each.certificate and each.certificate.thumbprint == thumbprint),
            None,
        )
        if self._entry is None or self._entry.certificate is None:
            return self._missing(thumbprint)
        found = self._entry.certificate
        place = self._store.name if self._entry.path is None else str(self._entry.path)
        facts = {
            "thumbprint": found.thumbprint,
            "subject": found.subject,
            "issuer": found.issuer,
            "serial": found.serial,
            "place": place,
        }
        sentence = Phrase("{subject}, in {place}", subject=found.subject, place=place)
        invisible = invisible_signs(pasted)
        if invisible:
            cured = Phrase("invisible characters in its thumbprint are ignored: {signs}", signs=invisible)
            return passed(Phrase.joined(sentence, cured, by="; "), {**facts, "invisible_characters": invisible})
        return passed(sentence, facts)

    def _missing(self, thumbprint: str) -> Finding:
        try:
            self._store.find(thumbprint)
        except CertificateError as error:
            other = self._folder_with(thumbprint) if error.fault is CertificateFault.NOT_FOUND else None
            return finding_of(error if other is None else _in_other_folder(thumbprint, other, self._store.name))
        return passed(Phrase("It was put there this moment."))

    def _folder_with(self, thumbprint: str) -> Path | None:
        for folder in self._elsewhere:
            found = (each.certificate for each in FolderStore(folder).list())
            if any(each is not None and each.thumbprint == thumbprint for each in found):
                return folder
        return None

    def _read_key(self) -> Finding:
        try:
            self._usable = self._store.find(self._application.thumbprint)
        except CertificateError as error:
            if error.fault is not CertificateFault.KEY_MISMATCH:
                raise
            self._stranger = error  # there is a key, and it can be read: the next check reports the mismatch
        return passed()

    def _match(self) -> Finding:
        if self._stranger is not None:
            raise self._stranger
        if self._usable is not None:
            check_key(self._usable)
        return passed(Phrase("it signs, and the certificate verifies what it signed"))

    def _judge_dates(self) -> Finding:
        found = self.certificate
        if found is None:
            return passed()
        now = self._clock()
        check_usable(found, now=now, application=replace(self._application, secure_certificate_access=False), roots=())
        left = found.not_after - now
        facts = {"not_before": found.not_before, "not_after": found.not_after, "days_left": left.days}
        sentence = Phrase.counted(
            "until {end:%Y-%m-%d %H:%M} UTC, {n} day left",
            "until {end:%Y-%m-%d %H:%M} UTC, {n} days left",
            n=left.days,
            end=found.not_after,
        )
        if left > EARLY:
            return passed(sentence, facts)
        return warned(
            "endsSoon",
            Phrase("The certificate ends soon."),
            Phrase(
                "Make the next one, upload it beside the current one, and name it: {update} --next-thumbprint "
                "THUMBPRINT",
                update=update_command(self._application.account_name),
            ),
            facts,
            found=sentence,
        )

    def _judge_trust(self) -> Finding:
        # The certificate with its key includes the issuers beside it.
        found = self._usable or self.certificate
        if found is None or not self._application.secure_certificate_access:
            return passed(Phrase("not demanded (bSecureCertificateAccess = 0)"), {"demanded": False})
        check_usable(found, now=self._clock(), application=self._application, roots=load_roots(self._ca_bundle))
        return passed(Phrase("issued by {issuer}", issuer=found.issuer), {"demanded": True})

    async def _sign_in_with_next(self) -> Finding:
        following = self._application.next_thumbprint or ""
        try:
            await self._tokens.token(replace(self._application, thumbprint=following, next_thumbprint=None))
        except GraphError as error:
            finding = finding_of(error)
            return warned(finding.code or "", finding.cause, finding.remedy, finding.facts)
        thumbprint = normalise_thumbprint(following)
        return passed(Phrase.verbatim(thumbprint), {"thumbprint": thumbprint})


def _in_other_folder(thumbprint: str, folder: Path, store: str) -> CertificateError:
    return CertificateError(
        Phrase(
            "Certificate {thumbprint} is not in {store}, which certificate_store names, but in the folder {folder}.",
            thumbprint=thumbprint,
            store=store,
            folder=folder,
        ),
        advice=Phrase("Move its files, or correct the setting certificate_store."),
        fault=CertificateFault.IN_OTHER_STORE,
    )
