"""Names of the Windows services of the product, by role. Fixed: scripts and administrators use them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

ALL_ROLES: Final = "all"
EVENT_SOURCE: Final = "mail-importer"
"""The source of the events in the Application log."""


@dataclass(frozen=True, slots=True)
class ServiceName:
    """The names of a service. `key` is that of the registry, of `sc.exe` and of the virtual account."""

    role: str
    key: str
    display: str
    description: str

    @property
    def virtual_account(self) -> str:
        """The account that Windows has for this service alone, without a password."""
        return rf"NT SERVICE\{self.key}"


def _named(role: str, suffix: str, work: str) -> ServiceName:
    description = f"{work} Settings, logs and errors: mail-importer service status."
    return ServiceName(role, f"MailImporter{suffix}", f"MonitorPro mail-importer ({role})", description)


_SERVICES: Final = (
    _named(ALL_ROLES, "", "Imports e-mail of Exchange Online mailboxes into the MonitorPro gateway database."),
    _named("receiver", "Receiver", "Receives change notifications of Microsoft Graph and queues them."),
    _named("processor", "Processor", "Imports the messages that the queue names into the MonitorPro gateway database."),
    _named("subscriptions", "Subscriptions", "Keeps the subscriptions of Microsoft Graph for all mailboxes."),
    _named("delivery", "Delivery", "Saves the files that import rules select into their folders."),
    _named("console", "Console", "Serves the web console of the importer."),
)
SERVICES: Final[Mapping[str, ServiceName]] = {each.role: each for each in _SERVICES}
"""All services by role; `all` is the service of `run all`."""
