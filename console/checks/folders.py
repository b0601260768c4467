"""The check of the import folders into which rules save files of an account's mail."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from console.audit import who
from console.checks.runner import NOTHING, Check, Finding, failed, not_needed, passed, warned
from console.checks.storage import DATABASE
from console.settings import Settings
from db.engine import Database
from db.queries import rules
from delivery.errors import FolderRefused, FolderUnavailable
from delivery.folders import check_folder
from hostfaults import HostFault
from phrases import Phrase
from threads import DaemonThreads

FOLDERS: Final = "import_folders"

_SECONDS: Final = 8.0
_AT_ONCE: Final = 8
_SHOWN: Final = 5


class ImportFolderChecks:
    """The check for the folders of enabled rules: those of the account, and those of all.

    `check`: saves and deletes a file in a folder below the roots; see `delivery.folders.check_folder`.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        account_id: int | None,
        *,
        check: Callable[[str, Sequence[str]], None] = check_folder,
        seconds: float = _SECONDS,
    ) -> None:
        self._roots = settings.delivery_folders
        self._database = database
        self._account_id = account_id
        self._check = check
        self._seconds = seconds

    def checks(self) -> list[Check]:
        """The check."""
        title = Phrase("Files can be saved into the import folders")
        return [Check(FOLDERS, title, self._try, (DATABASE,), self._seconds + 5)]

    async def _try(self) -> Finding:
        folders = await self._folders()
        if not folders:
            return not_needed(Phrase("no import rule saves files of its mail"))
        if not self._roots:
            return not_needed(Phrase("this host saves no files: its delivery_roots are not set"))
        # A call that hangs keeps its thread, and is abandoned: exit waits for none.
        threads = DaemonThreads("import folder check", limit=_AT_ONCE)
        loop = asyncio.get_running_loop()
        calls = {folder: loop.run_in_executor(threads, self._check, folder, self._roots) for folder in folders}
        await asyncio.wait(calls.values(), timeout=self._seconds)
        return self._finding({folder: self._error_of(call, folder) for folder, call in calls.items()})

    async def _folders(self) -> list[str]:
        found = await self._database.read(rules.every)
        mine = (None, self._account_id)
        used = [each.rule for each in found if each.rule.enabled and each.rule.account_id in mine]
        return sorted({each.folder for each in used if each.folder})

    def _error_of(self, call: "asyncio.Future[None]", folder: str) -> Exception | None:
        if not call.done():
            call.cancel()
            text = Phrase(
                "The folder {folder} did not answer within {seconds:.0f} seconds.", folder=folder, seconds=self._seconds
            )
            return FolderUnavailable("FolderHangs", text)
        error = call.exception()
        if error is None or isinstance(error, (FolderUnavailable, HostFault)):
            return error
        raise error

    def _finding(self, errors: dict[str, Exception | None]) -> Finding:
        facts: dict[str, object] = {
            "user": who(),
            "folders": {folder: "ok" if error is None else _code(error) for folder, error in errors.items()},
        }
        broken = [error for error in errors.values() if error is not None and not isinstance(error, FolderRefused)]
        refused = [error for error in errors.values() if isinstance(error, FolderRefused)]
        if broken:
            remedy = Phrase(
                "Correct the folders; the files wait for them. Test as the user that runs the delivery: this test ran "
                "as {user}.",
                user=who(),
            )
            return failed(_code(broken[0]), _joined([*broken, *refused]), remedy, facts)
        if refused:
            remedy = Phrase("No file is saved there by this host. Ignore it if the delivery of another host does.")
            return warned(_code(refused[0]), _joined(refused), remedy, facts)
        return passed(
            Phrase.counted(
                "a file was saved in {n} folder, and deleted",
                "a file was saved in each of {n} folders, and deleted",
                n=len(errors),
            ),
            facts,
        )


def _joined(errors: Iterable[Exception]) -> Phrase:
    """The texts, the first of many."""
    texts = [Phrase.of(each) for each in errors]
    more = len(texts) - _SHOWN
    rest = Phrase.counted("{n} more folder fails.", "{n} more folders fail.", n=more) if more > 0 else NOTHING
    return Phrase.joined(*texts[:_SHOWN], rest)


def _code(error: Exception) -> str:
    reason = error.reason if isinstance(error, FolderUnavailable) else type(error).__name__
    return reason[:1].lower() + reason[1:]
