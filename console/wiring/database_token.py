"""Sign-in to Azure SQL by a token, of a certificate or an identity."""

from sqlalchemy.engine import make_url

from console.settings import CLOUDS, Settings
from console.wiring.credentials import TokensForThreads, application_of, token_source
from console.wiring.identity import signing_in
from db.errors import DatabaseUnavailable
from graph.errors import GraphError
from phrases import Phrase


class AccessToken:
    """Tokens for Azure SQL, of the application that has a user in the database.

    Raises:
        SettingsError: `ca_bundle` or `certificate_store` cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        credential = "database_credential"
        tenant_id, client_id = signing_in(
            settings, credential, tenant_id=settings.database_tenant_id, client_id=settings.database_client_id
        )
        application = application_of(
            Phrase("the gateway database"),
            make_url(settings.database_url.get_secret_value()).host or "",
            tenant_id=tenant_id,
            client_id=client_id,
            thumbprint=settings.database_thumbprint,
        )
        tokens = token_source(settings, CLOUDS[settings.cloud].database_resource, credential=credential)
        self._tokens = TokensForThreads(tokens, application)

    def __call__(self) -> str:
        """Return a token valid for minutes at least.

        Raises:
            DatabaseUnavailable: there is none; with the cause.
        """
        try:
            return self._tokens()
        except GraphError as exc:
            raise DatabaseUnavailable(Phrase("The gateway database cannot be signed in to: {why}", why=exc)) from exc
