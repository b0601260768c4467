"""Sign-in to Azure SQL with Entra."""

from sqlalchemy.engine import make_url

from console.settings import CLOUDS, Settings
from console.wiring.credentials import TokensForThreads, service_sign_in
from db.errors import DatabaseUnavailable
from graph.errors import GraphError
from phrases import Phrase


class AccessToken:
    """Tokens for Azure SQL, of the application or identity that has a user in the database.

    Raises:
        SettingsError: `ca_bundle`, `certificate_store` or `database_credential` cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        sign_in = service_sign_in(
            settings,
            "database",
            CLOUDS[settings.cloud].database_resource,
            service=Phrase("the gateway database"),
            address=make_url(settings.database_url.get_secret_value()).host or "",
        )
        self._tokens = TokensForThreads(sign_in.tokens, sign_in.application)

    def __call__(self) -> str:
        """Return a token valid for minutes at least.

        Raises:
            DatabaseUnavailable: there is none; with the cause.
        """
        try:
            return self._tokens()
        except GraphError as exc:
            raise DatabaseUnavailable(Phrase("The gateway database cannot be signed in to: {why}", why=exc)) from exc
