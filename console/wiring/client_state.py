"""The keys that prove change notifications, from the settings or the gateway database."""

from console.settings import Settings, SettingsError
from db.engine import Database
from db.schema import revisions
from graph.client_state import ClientStateKeys
from phrases import Phrase


async def client_state_keys(settings: Settings, database: Database | None) -> ClientStateKeys:
    """The keys to make and to verify `clientState`.

    Raises:
        SettingsError: the secret is neither set nor in the database.
        DatabaseUnavailable
    """
    previous = settings.client_state_secret_previous
    current = settings.client_state_secret
    if current is None and database is None:
        raise SettingsError(
            Phrase(
                "client_state_secret: must be set where the receiver runs without the gateway database; to the same "
                "text as at the subscription manager's."
            )
        )
    stored = await database.read(revisions.stored_client_state_secret) if current is None and database else None
    secret = current.get_secret_value() if current is not None else stored
    if secret is None:
        raise SettingsError(
            Phrase("client_state_secret: is neither set nor in the database. Run: mail-importer db upgrade")
        )
    return ClientStateKeys(secret, previous.get_secret_value() if previous is not None else None)
