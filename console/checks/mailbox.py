"""Checks of the application's access: token, permissions, user, mailbox, folder, a message, forbidden mailboxes.

Meaning of each refusal: docs/graph.md, section 9, and https://learn.microsoft.com/en-us/graph/errors
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from console.checks.runner import Check, Finding, failed, finding_of, passed, warned
from graph import probes
from graph.claims import claims_of, roles_in
from graph.client import GraphClient
from graph.errors import AccessDenied, GraphError, ItemError, RequestRejected, SignInRefused, update_command
from graph.folders import MailFolders
from graph.mailbox import Mailbox
from graph.messages import MailReader, folder_of
from graph.token import TokenSource
from phrases import Phrase
from phrases.commands import quoted

TOKEN: Final = "token"  # noqa: S105  # the name of a check
PERMISSIONS: Final = "permissions"
SCOPE: Final = "scope"
USER: Final = "user"
MAILBOX: Final = "mailbox"
KIND: Final = "mailbox_kind"
FOLDER: Final = "folder"
MESSAGE: Final = "message"
FORBIDDEN: Final = "forbidden_mailbox"

_INBOX: Final = "inbox"
_READ: Final = frozenset({"Mail.Read", "Mail.ReadWrite"})
_WRITE: Final = "Mail.ReadWrite"
_HARMLESS: Final = _READ | {"Mail.ReadBasic", "Mail.ReadBasic.All", "MailboxSettings.Read", "User.Read.All"}
"""Useful here, or not worth a warning."""
_NO_USER: Final = frozenset({"request_resourcenotfound", "resourcenotfound", "errorinvaliduser"})
_ELSEWHERE: Final = frozenset({"mailboxnothostedinexchangeonline", "errornonexistentmailbox"})
_MESSAGES_TRIED: Final = 5
_NOT_ENABLED: Final = "mailboxnotenabledforrestapi"
_USERS: Final = frozenset({"user", "linked"})
_SHARED: Final = "shared"
_SCOPE_ADVICE: Final = Phrase(
    "Restrict the application to the mailboxes it is to read, by RBAC for Applications in Exchange Online: "
    "New-ServicePrincipal, New-ManagementScope, New-ManagementRoleAssignment -Role 'Application Mail.Read' "
    "-CustomResourceScope; then remove the permission Mail.Read of Entra, which opens every mailbox. A change takes 30 "
    "minutes to 2 hours to act."
)


class MailboxChecks:
    """The checks for one mailbox.

    Args:
        client: with deadlines that end every call soon.
        tokens: a source of its own, so that nothing cached is reported.
        mailbox: the one checked.
        folder: the one to import from, by the account's name for it.
        folders: finds it.
        writes: mail is marked, moved or deleted after the import.
        denied: users whose mailboxes the application must not be able to open.
        allow_shared: a shared mailbox passes.
    """

    def __init__(
        self,
        client: GraphClient,
        tokens: TokenSource,
        mailbox: Mailbox,
        *,
        folder: str,
        folders: MailFolders,
        writes: bool,
        denied: Sequence[str],
        allow_shared: bool,
    ) -> None:
        self._client = client
        self._tokens = tokens
        # The current certificate only: the next one has a check of its own, and must not hide errors here.
        self._mailbox = replace(mailbox, next_thumbprint=None)
        self._folder = folder
        self._folders = folders
        self._writes = writes
        self._denied = denied
        self._allow_shared = allow_shared
        self.claims: Mapping[str, Any] = {}
        """The claims of the token, once it was obtained."""
        self._refusal: GraphError | None = None
        self._looked = False

    def token_check(self, needs: Sequence[str]) -> Check:
        """The check that signs in."""
        return Check(TOKEN, Phrase("Sign-in gives a token"), self._sign_in, needs, 20)

    def checks(self, needs: Sequence[str]) -> list[Check]:
        """The checks after that, in order."""
        forbidden = [
            Check(
                f"{FORBIDDEN}:{user}",
                Phrase("A forbidden mailbox is refused"),
                partial(self._must_be_refused, user),
                (TOKEN, *needs),
                15,
            )
            for user in self._denied
        ]
        return [
            Check(PERMISSIONS, Phrase("The application may read mail"), self._judge_permissions, (TOKEN, *needs), 15),
            Check(SCOPE, Phrase("Which mailboxes it may open"), self._judge_scope, (PERMISSIONS,), 15),
            Check(USER, Phrase("The user exists"), self._find_user, (PERMISSIONS,), 15),
            Check(MAILBOX, Phrase("The mailbox opens"), self._open, (USER,), 15),
            Check(KIND, Phrase("It is the mailbox of a user"), self._judge_kind, (MAILBOX,), 15),
            Check(FOLDER, Phrase("The folder exists"), self._find_folder, (MAILBOX,), 15),
            Check(MESSAGE, Phrase("A message can be read"), self._read_message, (FOLDER,), 20),
            *forbidden,
        ]

    async def _sign_in(self) -> Finding:
        try:
            token = await self._tokens.token(self._mailbox.application)
        except SignInRefused as refused:
            # The settings that its text repeats are those of the first check; the ids at its end are among the facts.
            reason = refused.detail.partition(" Trace ID:")[0]
            cause = Phrase("The sign-in service refused: {reason}.", reason=reason.rstrip("."))
            return replace(finding_of(refused), cause=cause)
        self.claims = claims_of(token)
        name = self.claims.get("app_displayname") or self._mailbox.client_id
        return passed(Phrase("for the application {name}", name=name), {"claims": dict(self.claims)})

    async def _judge_permissions(self) -> Finding:
        roles = roles_in(self.claims)
        facts = {"roles": sorted(roles)}
        if _READ.isdisjoint(roles):
            return await self._prove_by_doing(facts)
        if self._writes and _WRITE not in roles:
            return warned(
                "mayNotWrite",
                Phrase("The token does not name Mail.ReadWrite, which is needed for what is done after the import."),
                Phrase(
                    "Grant the application permission Mail.ReadWrite with admin consent, or by RBAC for Applications, "
                    "which shows in no token; or set --after-import none."
                ),
                facts,
            )
        more = sorted(roles - _HARMLESS)
        if more:
            return warned(
                "tooManyPermissions",
                Phrase("The application has permissions it does not need: {names}.", names=", ".join(more)),
                Phrase("Remove them in the Entra portal, under API permissions: a stolen key would have them all."),
                facts,
            )
        return passed(Phrase.verbatim(", ".join(sorted(roles))), facts)

    async def _judge_scope(self) -> Finding:
        """A grant of Entra beside a scope of Exchange: only the token shows it (application-rbac, 2025-11)."""
        unscoped = self._unscoped()
        facts = {"unscoped": unscoped}
        if not unscoped:
            return passed(Phrase("no permission of Entra opens mailboxes: their scope in Exchange counts"), facts)
        if self._denied:
            return passed(Phrase("decided by the mailboxes that must be refused, below"), facts)
        return warned(
            "unscopedGrant",
            Phrase(
                "The token names {names}: granted in Entra, that opens every mailbox of the tenant, and a scope of "
                "RBAC for Applications does not restrict it. Test-ServicePrincipalAuthorization does not show it.",
                names=", ".join(unscoped),
            ),
            Phrase(
                "To read some mailboxes only: assign the role with a scope in Exchange Online, then remove the "
                "permission in the Entra portal under API permissions, and prove it: mail-importer accounts test "
                "{account} --deny USER. If the application is to read all mailboxes, nothing has to be done.",
                account=quoted(self._mailbox.account_name),
            ),
            facts,
        )

    def _unscoped(self) -> list[str]:
        """Permissions to read mail that were granted in Entra, for every mailbox of the tenant."""
        return sorted(each for each in roles_in(self.claims) if each.startswith("Mail.Read"))

    async def _prove_by_doing(self, facts: Mapping[str, object]) -> Finding:
        """Test by a call: grants of RBAC for Applications are in no token."""
        refusal = await self._look()
        if refusal is None:
            return passed(Phrase("not in the token: granted by RBAC for Applications, proved by reading"), facts)
        if not isinstance(refusal, AccessDenied):
            return passed(Phrase("not in the token, and not refused either"), facts)
        named = sorted(roles_in(self.claims))
        cause = (
            Phrase("The token names permissions, but none to read mail: {names}.", names=", ".join(named))
            if named
            else Phrase("The token names no permission at all, and Graph refuses to read: admin consent is missing.")
        )
        return failed(
            "consentMissing",
            cause,
            Phrase(
                "Add the permission Mail.Read of Microsoft Graph, of type Application (not Delegated), and press "
                "'Grant admin consent' in the Entra portal under API permissions. With RBAC for Applications: check "
                "the role assignment by Test-ServicePrincipalAuthorization; a change takes 30 minutes to 2 hours to "
                "act."
            ),
            {**finding_of(refusal).facts, **facts},
        )

    async def _find_user(self) -> Finding:
        refusal = await self._look()
        user = self._mailbox.user_id
        if refusal is None:
            return passed(Phrase.verbatim(user), {"user_id": user})
        if isinstance(refusal, AccessDenied):
            return passed(Phrase("unknown until Graph gives access"), {"user_id": user})
        if _code(refusal) in _NO_USER:
            return failed(
                "userNotFound",
                Phrase(
                    "The user account does not exist: the tenant {tenant} has no user {user}.",
                    tenant=self._mailbox.tenant_id,
                    user=user,
                ),
                Phrase(
                    "Copy the object ID from the user's page in the Entra portal (Users), not that of the application, "
                    "of a group or of the Exchange mailbox. Of a shared mailbox take the user that Entra lists under "
                    "its name: {update} --user-id OBJECT-ID",
                    update=update_command(self._mailbox.account_name),
                ),
                finding_of(refusal).facts,
            )
        if refusal.status == HTTPStatus.NOT_FOUND:
            return passed(Phrase.verbatim(user), {"user_id": user})  # the user exists, the mailbox does not
        raise refusal

    async def _open(self) -> Finding:
        refusal = await self._look()
        if refusal is None:
            return passed()
        facts = finding_of(refusal).facts
        if isinstance(refusal, AccessDenied) and refusal.status == HTTPStatus.FORBIDDEN:
            return failed(
                "mailboxExcluded",
                Phrase("The application may read mail, but not in this mailbox: a policy of Exchange excludes it."),
                Phrase(
                    "Include the mailbox in the scope of RBAC for Applications (Test-ServicePrincipalAuthorization "
                    "shows what counts); where an older application access policy is in force, in its group. A change "
                    "takes 30 minutes to 2 hours to act."
                ),
                facts,
            )
        return _no_mailbox(refusal, facts)

    async def _judge_kind(self) -> Finding:
        kind = await probes.purpose(self._client, self._mailbox)
        if kind is None:
            return warned(
                "kindUnknown",
                Phrase("Whether it is shared or of a room is not known without the permission MailboxSettings.Read."),
                Phrase("Importing does not need it. Grant it to have this checked."),
                {"kind": None},
            )
        if kind in _USERS:
            return passed(Phrase.verbatim(kind), {"kind": kind})
        if kind == _SHARED and self._allow_shared:
            return passed(Phrase("a shared mailbox, allowed by --allow-shared"), {"kind": kind})
        cause = {
            _SHARED: Phrase(
                "It is a shared mailbox, not a user's: its user account cannot sign in and has no licence."
            ),
            "room": Phrase("It is the mailbox of a room: Exchange answers and deletes its mail by itself."),
            "equipment": Phrase("It is the mailbox of equipment: Exchange answers and deletes its mail by itself."),
        }.get(kind, Phrase("It is not the mailbox of a user, but of the kind '{kind}'.", kind=kind))
        regular = Phrase(
            "Use the mailbox of a licensed user, or make one of it: Set-Mailbox -Identity {user} -Type Regular, "
            "and give the user a licence.",
            user=self._mailbox.user_id,
        )
        return failed(
            f"kind{kind.capitalize()}",
            cause,
            Phrase.joined(regular, Phrase("If it is meant to be shared, allow it: --allow-shared"))
            if kind == _SHARED
            else regular,
            {"kind": kind},
        )

    async def _find_folder(self) -> Finding:
        folder = await MailReader(self._client).probe(self._mailbox, await self._located())
        name = folder.get("displayName") or self._folder
        return passed(Phrase.verbatim(str(name)), {"folder": self._folder, "display_name": name})

    async def _read_message(self) -> Finding:
        found = await probes.newest(self._client, self._mailbox, await self._located(), limit=_MESSAGES_TRIED)
        if not found:
            return passed(Phrase("the folder is empty: there is none to read"), {"empty": True})
        unreadable: ItemError | None = None
        for item in found:
            try:
                message = await MailReader(self._client).message(self._mailbox, item.message_id)
            except ItemError as error:
                # One damaged message proves nothing of the account; the next one decides.
                unreadable = unreadable or error
                continue
            return self._judge_message(message, item.received, unreadable)
        assert unreadable is not None  # noqa: S101  # none of them was read
        if isinstance(unreadable, RequestRejected):
            raise unreadable
        return warned(
            "noneReadable",
            Phrase.counted(
                "The only message that was tried cannot be read: {why}",
                "None of the {n} latest messages can be read: {why}",
                n=len(found),
                why=unreadable,
            ),
            Phrase("Send a message to the mailbox, and test again."),
            {"empty": False, **finding_of(unreadable).facts},
        )

    def _judge_message(
        self, message: Mapping[str, Any], received: datetime | None, unreadable: ItemError | None
    ) -> Finding:
        if not isinstance(message.get("body"), Mapping):
            return failed(
                "bodyWithheld",
                Phrase("Graph gives the message without its body: the permission is Mail.ReadBasic, not Mail.Read."),
                Phrase("Grant the application permission Mail.Read with admin consent."),
            )
        if unreadable is not None:
            return warned(
                "newestUnreadable",
                Phrase("The latest message cannot be read, an earlier one can: {why}", why=unreadable),
                Phrase(
                    "Nothing is wrong with the account. Open the message in Outlook; if it is needed and cannot be "
                    "opened there either, have it sent again."
                ),
                {"empty": False, **finding_of(unreadable).facts},
            )
        if received is None:
            return passed(facts={"empty": False})
        return passed(
            Phrase("the latest, received {time:%Y-%m-%d %H:%M} UTC", time=received),
            {"empty": False, "received": received},
        )

    async def _must_be_refused(self, user: str) -> Finding:
        other = replace(self._mailbox, user_id=user)
        try:
            await folder_of(self._client, other, _INBOX)
        except GraphError as error:
            if isinstance(error, AccessDenied) and error.status == HTTPStatus.FORBIDDEN:
                return passed(Phrase.verbatim(user), {"user": user, "graph_code": error.code})
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return failed(
                "nothingToRefuse",
                Phrase("{user} has no mailbox in this tenant, so its refusal proves nothing.", user=user),
                Phrase("Name a user with a mailbox that the application must not read."),
                {**finding_of(error).facts, "user": user},
            )
        unscoped = self._unscoped()
        if unscoped:
            return failed(
                "notRefused",
                Phrase(
                    "The application can read the mailbox of {user}: the token names {names}, granted in Entra for "
                    "every mailbox. A scope of RBAC for Applications does not restrict that, and "
                    "Test-ServicePrincipalAuthorization does not show it.",
                    user=user,
                    names=", ".join(unscoped),
                ),
                _SCOPE_ADVICE,
                {"user": user, "unscoped": unscoped},
            )
        return failed(
            "notRefused",
            Phrase("The application can read the mailbox of {user}: the scope of its role includes it.", user=user),
            Phrase(
                "Take the mailbox out of the scope of the role assignment (Get-ManagementRoleAssignment, "
                "Set-ManagementScope). A change takes 30 minutes to 2 hours to act."
            ),
            {"user": user, "unscoped": []},
        )

    async def _located(self) -> str:
        return await self._folders.locate(self._mailbox, self._folder)

    async def _look(self) -> GraphError | None:
        """Return the refusal to open the inbox, None when it opens; requested once.

        Raises:
            GraphError: not a decision of Exchange.
        """
        if not self._looked:
            try:
                await folder_of(self._client, self._mailbox, _INBOX)
            except GraphError as error:
                if error.status is None or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise
                self._refusal = error
            self._looked = True
        return self._refusal


def _no_mailbox(refusal: GraphError, facts: Mapping[str, object]) -> Finding:
    code = _code(refusal)
    if code == _NOT_ENABLED or "rest api is not yet supported" in refusal.detail.lower():
        return failed(
            "noMailbox",
            Phrase("The user has no mailbox in Exchange Online: no licence, deleted, or on-premises."),
            Phrase(
                "Give the user a licence with Exchange Online in the Microsoft 365 admin centre, and wait until the "
                "mailbox is made; one on an Exchange server of your own has to be moved to Exchange Online."
            ),
            facts,
        )
    if code in _ELSEWHERE:
        return failed(
            "mailboxElsewhere",
            Phrase("The mailbox is not in Exchange Online: it is on another server."),
            Phrase("Move it to Exchange Online; Microsoft Graph reads no others."),
            facts,
        )
    if "default folder inbox not found" in refusal.detail.lower() or code == "erroritemnotfound":
        return failed(
            "notAMailbox",
            Phrase("The object is there, but it is not a mailbox: it has no inbox."),
            Phrase("Take the object ID of a user with a mailbox, not that of a group or contact."),
            facts,
        )
    return finding_of(refusal)


def _code(error: GraphError) -> str:
    return (error.code or "").lower()
