"""The settings: read once, checked as a whole, passed on as plain values.

The text below each setting is its meaning for users: `config init` writes it, and docs/settings.md has it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import click
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from sqlalchemy.engine import make_url

from console.setting_values import (
    DatabaseUrl,
    FoldersText,
    Host,
    Key,
    Port,
    PublicOrigin,
    QuietText,
    Seconds,
    SecureOrigin,
    Text,
    folders_in,
    host_and_port,
    identifier,
    is_loopback,
    networks_in,
    whole_number,
    yes_or_no,
)
from console.translation import language
from db.backends import sqlserver
from db.connection import Isolation
from phrases import Phrase

PREFIX: Final = "MAIL_IMPORTER_"

_MAX_SWEEP_SECONDS: Final = 7 * 24 * 3600
_MAX_TRACE_DAYS: Final = 100 * 365
_MAX_REPEAT_HOURS: Final = 365 * 24
# A content is one value, of which no database accepts more than 2 GB.
_MAX_MEGABYTES: Final = 2_000
_MAX_CONNECTIONS: Final = 1000
_MAX_LOG_FILES: Final = 1000
MAX_PROCESSES: Final = 32
_MAX_BODY_MEGABYTES: Final = 4
_MAX_IDLE_MINUTES: Final = 24 * 60
_MAX_SESSION_HOURS: Final = 7 * 24


@dataclass(frozen=True, slots=True)
class Cloud:
    """The addresses of Graph and the sign-in service of a national cloud."""

    graph_url: str
    authority_url: str
    database_resource: str
    """The resource of tokens for Azure SQL."""
    keyvault_domain: str = "vault.azure.net"
    """The domain of Key Vaults, and of the resource of their tokens."""


# https://learn.microsoft.com/graph/deployments
# https://learn.microsoft.com/azure/azure-sql/database/authentication-aad-overview
_PUBLIC_SQL: Final = "https://database.windows.net"
_US_SQL: Final = "https://database.usgovcloudapi.net"
_CHINA_SQL: Final = "https://database.chinacloudapi.cn"
_US_VAULT: Final = "vault.usgovcloudapi.net"
CLOUDS: Final[Mapping[str, Cloud]] = {
    "global": Cloud("https://graph.microsoft.com", "https://login.microsoftonline.com", _PUBLIC_SQL),
    "usgov": Cloud("https://graph.microsoft.us", "https://login.microsoftonline.us", _US_SQL, _US_VAULT),
    "dod": Cloud("https://dod-graph.microsoft.us", "https://login.microsoftonline.us", _US_SQL, _US_VAULT),
    "china": Cloud(
        "https://microsoftgraph.chinacloudapi.cn",
        "https://login.partner.microsoftonline.cn",
        _CHINA_SQL,
        "vault.azure.cn",
    ),
}


class SettingsError(click.ClickException):
    """The settings are wrong, or not supported by this version. The command ends with exit status 2.

    Attributes:
        problems: one line each: the key, the error, its source. No value of a setting is in them.
        text: all of them.
    """

    exit_code = 2

    def __init__(self, *problems: Phrase) -> None:
        several = Phrase.joined(Phrase("the settings are wrong:"), *problems, by="\n  ")
        self.text = problems[0] if len(problems) == 1 else several
        super().__init__(language.translated(self.text))
        self.problems = problems


Credential = Literal["certificate", "managed_identity", "workload_identity"]
"""A way to sign in."""


class Settings(BaseModel):
    """All settings, valid and immutable. Direct construction reads neither environment nor file."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    database_url: DatabaseUrl = SecretStr("sqlite:///mail-importer.db")
    """SQLAlchemy URL of the gateway database. A SQLite file is made with mode 0600."""
    database_schema: Annotated[str, AfterValidator(identifier)] | None = None
    """Schema of the tables; none: `dbo` on SQL Server, by search path on PostgreSQL."""
    database_pool_size: Annotated[int, BeforeValidator(whole_number), Field(ge=2, le=_MAX_CONNECTIONS)] = 16
    """Connections of a process at most, 2 to 1,000."""
    database_statement_timeout: Seconds = 60
    """Seconds after which a statement is given up, 3,600 at most; not those of `db upgrade`."""
    database_login_timeout: Seconds = 15
    """Seconds for a sign-in, and for a wait for a free connection, 3,600 at most."""
    database_isolation: Isolation = "READ COMMITTED"
    """Isolation level of transactions; any that the server has."""
    database_credential: Credential = "certificate"
    """Sign-in to Azure SQL, without a user in the URL: `certificate`, of the application that the next three name;
    `managed_identity` of this host; or `workload_identity` of Kubernetes."""
    database_tenant_id: Text | None = None
    """With the next two: the application that signs in to the database by certificate (Entra)."""
    database_client_id: Text | None = None
    """Client id of the application that signs in to the database."""
    database_thumbprint: Text | None = None
    """Certificate of the application that signs in to the database, one of the store."""
    queue: Literal["database", "servicebus"] = "database"
    """`database`: a table of the gateway database; `servicebus`: an Azure Service Bus queue."""
    servicebus_connection_string: SecretStr | None = None
    """Connection string of the namespace; with `UseDevelopmentEmulator=true` plain AMQP on loopback."""
    servicebus_namespace: Text | None = None
    """`NAME.servicebus.windows.net`, signed in to with a certificate instead of a connection string."""
    servicebus_queue: Text = "mail-notifications"
    """Name of the queue in the namespace."""
    servicebus_transport: Literal["amqp", "websockets"] = "amqp"
    """`amqp` (port 5671), or `websockets` (port 443, through `HTTPS_PROXY`)."""
    servicebus_credential: Credential = "certificate"
    """Sign-in to the namespace: `certificate`, of the application that the next three name; `managed_identity` of this
    host; or `workload_identity` of Kubernetes."""
    servicebus_tenant_id: Text | None = None
    """With the next two: the application that signs in to the namespace."""
    servicebus_client_id: Text | None = None
    """Client id of the application that signs in to the namespace."""
    servicebus_thumbprint: Text | None = None
    """Certificate of the application that signs in to the namespace, one of the store."""
    notification_url: PublicOrigin | None = None
    """Public HTTPS address of the receiver, without path; plain `http` for loopback only. None: no webhooks, a sweep of
    every account each minute."""
    client_state_secret: Key | None = None
    """Key that authenticates notifications, 32 characters at least; none: the one made by the first `db upgrade`."""
    client_state_secret_previous: Key | None = None
    """Key still accepted while subscriptions made with it live, and four hours after (repeated notifications)."""
    receiver_host: Host = "127.0.0.1"
    """Address on which the receiver listens."""
    receiver_port: Port = 8080
    """Port on which the receiver listens; 0: any free one."""
    receiver_tls_cert: Path | None = None
    """PEM file of the receiver's certificate, or one of a Windows store with an exportable key, such as
    `windows:LocalMachine/My/THUMBPRINT`; without it plain HTTP, for use behind a TLS proxy. Replaced files are loaded
    within seconds, and on SIGHUP, a renewed one of a store within minutes; the log warns 30 days before it ends."""
    receiver_tls_key: Path | None = None
    """PEM file of the certificate's key, unencrypted; none for one of a Windows store."""
    receiver_body_limit_mb: Annotated[int, BeforeValidator(whole_number), Field(ge=1, le=_MAX_BODY_MEGABYTES)] = 1
    """MiB of one delivery, 4 at most; what is larger is answered 413."""
    receiver_connections_per_address: Annotated[
        int, BeforeValidator(whole_number), Field(ge=0, le=_MAX_CONNECTIONS)
    ] = 256
    """Connections of one address (IPv6: /64) at a time, 1,000 at most; 0: no bound, behind a proxy."""
    metrics_host: Host = "127.0.0.1"
    """Address on which a process serves its metrics and its health."""
    metrics_port: Port = 9464
    """Port of the metrics; 0: none are served. Several processes of a host each need a port of their own."""
    metrics_accounts: Literal["auto", "all", "none"] = "auto"
    """Accounts that have metrics of their own: `all`, `none`, or `auto`: all if there are 1,000 at most."""
    alerts: SecretStr | None = None
    """Targets of alerts: Apprise URLs separated by white space, or the path of a file of mode 0600 with one a line;
    none: no alerts."""
    alert_language: Literal["en", "fr"] | None = None
    """Language of alerts, `en` or `fr`; none: by the locale."""
    alert_repeat_hours: Annotated[int, BeforeValidator(whole_number), Field(ge=0, le=_MAX_REPEAT_HOURS)] = 24
    """Hours after which an alert of a lasting problem is repeated, 8,760 at most; 0: never."""
    alert_minimum_severity: Literal["warning", "error"] = "warning"
    """Least severity that is sent: `warning` or `error`."""
    alert_quiet: QuietText | None = None
    """Quiet times, local to the host, such as `22:00-06:00; sat,sun`: nothing but errors is sent then, the rest
    waits."""
    delivery_roots: FoldersText | None = None
    """Folders below which import rules may save files, separated by `;` or lines, as absolute paths of this host; none:
    nothing is delivered."""
    console_host: Host = "127.0.0.1"
    """Address on which the web console listens; another one than that of this host itself needs TLS, here or at a
    proxy."""
    console_port: Port = 8081
    """Port on which the web console listens; 0: any free one."""
    console_url: PublicOrigin | None = None
    """Public address of the web console, without path; plain `http` for loopback only. None: `http://` or `https://`
    with host and port above."""
    console_tls_cert: Path | None = None
    """PEM file of the web console's certificate, or one of a Windows store, as for the receiver; without it plain HTTP,
    for use behind a TLS proxy. Replaced files are loaded within seconds, a renewed one of a store within minutes."""
    console_tls_key: Path | None = None
    """PEM file of the certificate's key, unencrypted; none for one of a Windows store."""
    console_proxies: Text | None = None
    """IP addresses or networks (10.42.0.0/16) of TLS proxies on other hosts, separated by blanks: the browser's address
    is what they forward."""
    console_auth: Literal["local", "entra"] = "local"
    """Sign-in to the web console: `local`, with passwords (`console users add`), or `entra`, with Microsoft Entra
    ID."""
    console_tenant_id: Text | None = None
    """With the next two, for `console_auth = "entra"`: the application at which users sign in."""
    console_client_id: Text | None = None
    """Client id of the application at which users sign in."""
    console_thumbprint: Text | None = None
    """Certificate of the application at which users sign in, one of the store."""
    console_local_remote: Annotated[bool, BeforeValidator(yes_or_no)] = False
    """Accept sign-ins with a password from other hosts too, not from this one alone."""
    console_idle_minutes: Annotated[int, BeforeValidator(whole_number), Field(ge=1, le=_MAX_IDLE_MINUTES)] = 30
    """Minutes after the last request at which a session ends, 1,440 at most."""
    console_session_hours: Annotated[int, BeforeValidator(whole_number), Field(ge=1, le=_MAX_SESSION_HOURS)] = 12
    """Hours after the sign-in at which a session ends, 168 at most."""
    console_activity_days: Annotated[int, BeforeValidator(whole_number), Field(ge=1, le=_MAX_TRACE_DAYS)] = 365
    """Days for which sign-ins and openings of mail are kept, 36,500 at most."""
    graph_credential: Credential = "certificate"
    """Sign-in of the accounts' applications to Graph: `certificate`; or, by federation, `managed_identity` of this host
    or `workload_identity` of Kubernetes."""
    managed_identity_client_id: Text | None = None
    """Client id of the user-assigned managed identity; none: the system-assigned one."""
    certificate_store: Text = "./certificates"
    """Folder of `.pem`, `.pfx`, `.p12`, `.cer`, `.crt`, `.key` files, or `windows:LocalMachine/My`,
    `windows:CurrentUser/My`, or `keyvault:NAME`: an Azure Key Vault, by name or https address."""
    keyvault_credential: Literal["managed_identity", "workload_identity"] = "managed_identity"
    """Sign-in to the Key Vault of `certificate_store`: `managed_identity` or `workload_identity`."""
    certificate_password: SecretStr | None = None
    """Password of the encrypted files in the store."""
    cloud: Literal["global", "usgov", "dod", "china"] = "global"
    """`global`, `usgov`, `dod`, `china`: sets the next two."""
    graph_url: PublicOrigin = Field(default_factory=lambda data: CLOUDS[data["cloud"]].graph_url)
    """Address of Microsoft Graph."""
    authority_url: SecureOrigin = Field(default_factory=lambda data: CLOUDS[data["cloud"]].authority_url)
    """Address of the sign-in service."""
    ca_bundle: Path | None = None
    """PEM file of extra roots for outgoing TLS; none: those of the system."""
    sweep_interval: Annotated[int, BeforeValidator(whole_number), Field(ge=0, le=_MAX_SWEEP_SECONDS)] = 900
    """Seconds between two delta sweeps of an account, give or take a tenth, 604,800 at most; 0: only after a gap."""
    trace_days: Annotated[int, BeforeValidator(whole_number), Field(ge=1, le=_MAX_TRACE_DAYS)] = 90
    """Days for which `trace` finds each attempt at a message, 36,500 at most."""
    internet_headers: Literal["none", "selected", "all"] = "selected"
    """Internet headers that are kept in `tblEmailHeader`: `none`, `selected`, `all`."""
    attachment_limit_mb: Annotated[int, BeforeValidator(whole_number), Field(ge=1, le=_MAX_MEGABYTES)] = 150
    """MiB of one attachment, 2,000 at most; a larger one is not kept, which its row shows."""
    message_limit_mb: Annotated[int, BeforeValidator(whole_number), Field(ge=1, le=_MAX_MEGABYTES)] = 150
    """MiB of all attachments of a message, and of its original, 2,000 at most; what is larger is not kept."""
    keep_mime: Annotated[bool, BeforeValidator(yes_or_no)] = False
    """Keep the whole MIME of each message (`tblEmailOriginal`, gzip); one more call of Graph a message."""
    processes: Annotated[int, BeforeValidator(whole_number), Field(ge=1, le=MAX_PROCESSES)] = 1
    """Processes of `run receiver`, `run processor` and `run all`, and of their Windows services, 32 at most; the option
    `--processes` wins."""
    log_format: Literal["json", "console"] | None = None
    """`json` or `console`; none: `json` when the logs do not go to a terminal."""
    log_file: Path | None = None
    """File for the logs of `run` and of a Windows service, rotated by size; none: standard output. A process of one
    role adds its name: `mail-importer-receiver.log`."""
    log_file_mb: Annotated[int, BeforeValidator(whole_number), Field(ge=1, le=_MAX_MEGABYTES)] = 20
    """MiB of the log file at which it is rotated, 2,000 at most."""
    log_file_count: Annotated[int, BeforeValidator(whole_number), Field(ge=1, le=_MAX_LOG_FILES)] = 10
    """Rotated log files that each process keeps beside the current one, 1,000 at most."""

    @field_validator("database_schema")
    @classmethod
    def _has_schemas(cls, schema: str | None, info: ValidationInfo) -> str | None:
        if schema is not None and _backend(info) == "sqlite":
            raise ValueError(Phrase("is set and database_url is of SQLite, which has no schemas"))
        return schema

    @field_validator("database_isolation")
    @classmethod
    def _is_known_there(cls, isolation: Isolation, info: ValidationInfo) -> Isolation:
        if isolation == "SNAPSHOT" and _backend(info) == "postgresql":
            raise ValueError(Phrase("SNAPSHOT is a level of SQL Server; PostgreSQL calls it REPEATABLE READ"))
        return isolation

    @field_validator("database_credential")
    @classmethod
    def _is_of_azure_sql(cls, credential: Credential, info: ValidationInfo) -> Credential:
        if credential == "certificate" or "database_url" not in info.data:
            return credential
        if _backend(info) != "mssql":
            raise ValueError(Phrase("is set and database_url is not of SQL Server, to which it would sign in"))
        reason = sqlserver.token_refusal(make_url(info.data["database_url"].get_secret_value()))
        if reason is not None:
            raise ValueError(Phrase("is set and database_url {reason}", reason=reason))
        return credential

    @field_validator("database_thumbprint")
    @classmethod
    def _signs_in_to_database(cls, thumbprint: str | None, info: ValidationInfo) -> str | None:
        three = {name: info.data.get(name) for name in ("database_tenant_id", "database_client_id")}
        three["database_thumbprint"] = thumbprint
        missing = [name for name, value in three.items() if value is None and name in {*info.data, info.field_name}]
        unused = info.data.get("database_credential") != "certificate"
        if unused or len(missing) == len(three) or "database_url" not in info.data:
            return thumbprint
        if missing:
            raise ValueError(
                Phrase("{three} go together; not set: {missing}", three=", ".join(three), missing=", ".join(missing))
            )
        if _backend(info) != "mssql":
            raise ValueError(Phrase("is set and database_url is not of SQL Server, to which it would sign in"))
        reason = sqlserver.token_refusal(make_url(info.data["database_url"].get_secret_value()))
        if reason is not None:
            raise ValueError(Phrase("is set and database_url {reason}", reason=reason))
        return thumbprint

    @field_validator("servicebus_namespace")
    @classmethod
    def _reachable(cls, namespace: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("queue") == "servicebus" and not namespace and not info.data["servicebus_connection_string"]:
            raise ValueError(
                Phrase("neither it nor servicebus_connection_string is set; queue 'servicebus' needs one of them")
            )
        return namespace

    @field_validator("servicebus_tenant_id", "servicebus_client_id", "servicebus_thumbprint")
    @classmethod
    def _signs_in(cls, value: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("servicebus_credential") != "certificate":
            return value
        if value is None and info.data.get("servicebus_namespace") and not info.data["servicebus_connection_string"]:
            raise ValueError(Phrase("is not set; servicebus_namespace needs it to sign in with a certificate"))
        return value

    @field_validator("receiver_tls_key", "console_tls_key")
    @classmethod
    def _together(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        # A check of the field, not of the model: it reports beside other problems, not after them.
        role = (info.field_name or "").removesuffix("_tls_key")
        cert = f"{role}_tls_cert"
        if names_windows_store(info.data.get(cert)):
            if key is not None:
                raise ValueError(
                    Phrase("is set, and {cert} names a certificate of Windows, whose key is in the store", cert=cert)
                )
            return None
        if cert in info.data and (info.data[cert] is None) != (key is None):
            given, missing = (cert, "key") if key is None else (f"{role}_tls_key", "cert")
            raise ValueError(
                Phrase(
                    "{given} is set and {role}_tls_{missing} is not; the two go together",
                    given=given,
                    role=role,
                    missing=missing,
                )
            )
        return key

    @field_validator("console_tls_cert")
    @classmethod
    def _is_encrypted(cls, cert: Path | None, info: ValidationInfo) -> Path | None:
        host, url = info.data.get("console_host"), info.data.get("console_url")
        if cert is None and host and not is_loopback(host) and not (url or "").startswith("https://"):
            raise ValueError(
                Phrase(
                    "is not set, and console_host is an address for other hosts. Set console_tls_cert and "
                    "console_tls_key, or console_url to the https address of a TLS proxy in front of it"
                )
            )
        return cert

    @field_validator("console_proxies")
    @classmethod
    def _are_addresses(cls, proxies: str | None) -> str | None:
        try:
            found = networks_in(proxies or "")
        except ValueError as exc:
            raise ValueError(
                Phrase("is not a list of IP addresses and networks such as 10.42.0.0/16, separated by blanks")
            ) from exc
        if any(each.prefixlen == 0 for each in found):
            raise ValueError(Phrase("contains all addresses: then every browser could give itself any address"))
        return proxies

    @field_validator("console_tenant_id", "console_client_id", "console_thumbprint")
    @classmethod
    def _users_sign_in(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("console_auth") == "entra":
            raise ValueError(Phrase("is not set; console_auth 'entra' needs it"))
        return value

    @property
    def delivery_folders(self) -> tuple[str, ...]:
        """The folders of `delivery_roots`."""
        return folders_in(self.delivery_roots or "")

    @property
    def console_address(self) -> str:
        """The address at which browsers reach the web console."""
        if self.console_url is not None:
            return self.console_url
        scheme = "http" if self.console_tls_cert is None else "https"
        return f"{scheme}://{host_and_port(self.console_host, self.console_port)}"

    @property
    def database_backend(self) -> str:
        """The kind of the gateway database: sqlite, mssql, postgresql."""
        return make_url(self.database_url.get_secret_value()).get_backend_name()

    def shown(self, name: str) -> object:
        """The value of a setting for output and logs: of a secret only that it is set, as `set`."""
        if name == "database_url":
            return self.shown_database_url
        value = getattr(self, name)
        return "set" if isinstance(value, SecretStr) else value

    @property
    def shown_database_url(self) -> str:
        """The database URL for output and logs: without password, and without options, which may hold one, too."""
        return make_url(self.database_url.get_secret_value()).set(query={}).render_as_string(hide_password=True)


def names_windows_store(certificate: Path | str | None) -> bool:
    """Return True for a Windows store, or a certificate of one, such as `windows:LocalMachine/My/THUMBPRINT`."""
    return certificate is not None and str(certificate).lower().startswith("windows:")


def _backend(info: ValidationInfo) -> str | None:
    """The kind of database; None: its URL is wrong, which is reported already."""
    url = info.data.get("database_url")
    return None if url is None else make_url(url.get_secret_value()).get_backend_name()
