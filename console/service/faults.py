"""Errors of the service control manager, explained to an administrator.

Source: https://learn.microsoft.com/windows/win32/debug/system-error-codes.
"""

from collections.abc import Callable, Mapping
from typing import Final

from phrases import Phrase

ACCESS_DENIED: Final = 5
INVALID_LEVEL: Final = 124
SERVICE_DOES_NOT_EXIST: Final = 1060
SERVICE_NOT_ACTIVE: Final = 1062
SERVICE_ALREADY_RUNNING: Final = 1056


class ServiceError(Exception):
    """Windows refused something about a service. The text is for an administrator; `code`: the error of Windows."""

    def __init__(self, text: Phrase, code: int = 0) -> None:
        super().__init__(text)
        self.code = code


def _not_found(key: str) -> Phrase:
    return Phrase(
        "Windows does not find the program of the service {key}. Install the service again after the virtual "
        "environment was moved.",
        key=key,
    )


_MEANINGS: Final[Mapping[int, Callable[[str], Phrase]]] = {
    2: _not_found,
    3: _not_found,
    ACCESS_DENIED: lambda key: Phrase(
        "Access to the service {key} was denied. Run the command in a PowerShell that was started with Run as "
        "administrator; when it is the start that fails, give the account of the service the right to read and run "
        "the programs of mail-importer and of Python.",
        key=key,
    ),
    1051: lambda key: Phrase("Other running services depend on the service {key}; stop them first.", key=key),
    1053: lambda key: Phrase(
        "The service {key} did not answer Windows within 30 s. See the Application and System event logs; the account "
        "of the service needs the right to read and run the programs of mail-importer and of Python.",
        key=key,
    ),
    1055: lambda key: Phrase("The database of services is locked by another program; repeat the command.", key=key),
    SERVICE_ALREADY_RUNNING: lambda key: Phrase("The service {key} runs already.", key=key),
    1057: lambda key: Phrase(
        "Windows does not know the account for the service {key}, or its password is wrong. Check the name; a group "
        "managed service account (gMSA) ends with $, and Test-ADServiceAccount NAME must be True on this host.",
        key=key,
    ),
    1058: lambda key: Phrase(
        "The service {key} is disabled. Enable it: sc.exe config {key} start= delayed-auto", key=key
    ),
    SERVICE_DOES_NOT_EXIST: lambda key: Phrase("The service {key} is not installed.", key=key),
    1061: lambda key: Phrase(
        "The service {key} is starting or stopping; repeat the command in a few seconds.", key=key
    ),
    SERVICE_NOT_ACTIVE: lambda key: Phrase("The service {key} does not run.", key=key),
    1068: lambda key: Phrase("A service that {key} depends on cannot be started; start that one first.", key=key),
    1069: lambda key: Phrase(
        "The account of the service {key} cannot log on. Give it the right Log on as a service (secpol.msc, Local "
        "Policies, User Rights Assignment) where a group policy takes it away, or correct its password. A group "
        "managed service account (gMSA) must be allowed on this host: Test-ADServiceAccount NAME.",
        key=key,
    ),
    1072: lambda key: Phrase(
        "The service {key} is marked for deletion. Close services.msc, the event viewer and the task manager, or "
        "restart the host, and repeat the command.",
        key=key,
    ),
    1073: lambda key: Phrase("The service {key} is installed already. Remove it first.", key=key),
    1075: lambda key: Phrase("A service that {key} depends on does not exist; check --depends-on.", key=key),
    1078: lambda key: Phrase("Another service has the display name of {key} already; remove that one first.", key=key),
    1115: lambda key: Phrase("This host is shutting down; repeat the command after its start.", key=key),
    1332: lambda key: Phrase("Windows does not know the account for the service {key}. Check its name.", key=key),
}


def explained(code: int, key: str, text: str) -> ServiceError:
    """The error for a code of Windows. `text`: Windows' own, for codes that have no advice here."""
    meaning = _MEANINGS.get(code)
    if meaning is not None:
        return ServiceError(meaning(key), code)
    reason = Phrase(
        "Windows reports error {code} for the service {key}: {why}.", code=code, key=key, why=text.rstrip(". ")
    )
    return ServiceError(reason, code)
