"""The settings: read once, checked as a whole, passed on as plain values.

The environment (prefix `MAIL_IMPORTER_`) overrides the TOML file that `MAIL_IMPORTER_CONFIG` names (else
`./mail-importer.toml`), which overrides the defaults. An empty variable counts as not set. Relative paths start at the
working directory.
"""

import difflib
import ipaddress
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import click
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy.engine import make_url

from console.translation import language
from db.backends import sqlserver
from db.connection import Isolation, parse_url
from phrases import Phrase

PREFIX: Final = "MAIL_IMPORTER_"
CONFIG_VARIABLE: Final = "MAIL_IMPORTER_CONFIG"
TEST_PREFIX: Final = "MAIL_IMPORTER_TEST_"
"""Prefix of variables that control tests and are no settings."""
DEFAULT_FILE: Final = "mail-importer.toml"
SECRET_LENGTH: Final = 32
"""Minimum of characters in a `client_state_secret`."""

_MAX_SWEEP_SECONDS: Final = 7 * 24 * 3600
_MAX_TRACE_DAYS: Final = 100 * 365
# A content is one value, of which no database accepts more than 2 GB.
_MAX_MEGABYTES: Final = 2_000
_MAX_CONNECTIONS: Final = 1000
_MAX_BODY_MEGABYTES: Final = 4
_MAX_WAIT_SECONDS: Final = 3600
_IDENTIFIER: Final = re.compile(r"[A-Za-z_]\w{0,127}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Cloud:
    """The addresses of Graph and the sign-in service of a national cloud."""

    graph_url: str
    authority_url: str
    database_resource: str
    """The resource of tokens for Azure SQL."""


# https://learn.microsoft.com/graph/deployments
# https://learn.microsoft.com/azure/azure-sql/database/authentication-aad-overview
_PUBLIC_SQL: Final = "https://database.windows.net"
_US_SQL: Final = "https://database.usgovcloudapi.net"
_CHINA_SQL: Final = "https://database.chinacloudapi.cn"
CLOUDS: Final[Mapping[str, Cloud]] = {
    "global": Cloud("https://graph.microsoft.com", "https://login.microsoftonline.com", _PUBLIC_SQL),
    "usgov": Cloud("https://graph.microsoft.us", "https://login.microsoftonline.us", _US_SQL),
    "dod": Cloud("https://dod-graph.microsoft.us", "https://login.microsoftonline.us", _US_SQL),
    "china": Cloud("https://microsoftgraph.chinacloudapi.cn", "https://login.partner.microsoftonline.cn", _CHINA_SQL),
}


class SettingsError(click.ClickException):
    """The settings are wrong, or not supported by this version. The command ends with exit status 2.

    Attributes:
        problems: one line each: the key, the error, its source. No value of a setting is in them.
    """

    exit_code = 2

    def __init__(self, *problems: Phrase) -> None:
        several = Phrase.joined(Phrase("the settings are wrong:"), *problems, by="\n  ")
        super().__init__(language.translated(problems[0] if len(problems) == 1 else several))
        self.problems = problems


def _whole_number(value: object) -> object:
    # Python counts true as 1; a port that is true is a mistake.
    if isinstance(value, bool):
        raise ValueError(Phrase("is true or false where a whole number belongs"))  # noqa: TRY004  # pydantic collects ValueErrors
    return value


def _yes_or_no(value: object) -> object:
    # pydantic would also accept 1, "t" and "off".
    words = {"true": True, "false": False}
    found = words.get(value.strip().lower()) if isinstance(value, str) else value
    if not isinstance(found, bool):
        raise ValueError(Phrase("is neither true nor false"))  # noqa: TRY004  # pydantic collects ValueErrors
    return found


def _filled(value: str) -> str:
    if not value.strip():
        raise ValueError(Phrase("is empty"))
    return value.strip()


def _database_url(value: SecretStr) -> SecretStr:
    parse_url(value.get_secret_value())
    return value


def _identifier(value: str) -> str:
    if not _IDENTIFIER.fullmatch(value.strip()):
        raise ValueError(Phrase("is no plain name: letters, digits and _, and no digit first"))
    return value.strip()


def _key(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < SECRET_LENGTH:
        raise ValueError(
            Phrase(
                "is shorter than {least} characters; create one with: openssl rand -base64 48",
                least=SECRET_LENGTH,
            )
        )
    return value


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _origin(*, http_on_loopback: bool) -> Callable[[str], str]:
    """A check for `https://host[:port]` and nothing after it."""

    def check(value: str) -> str:
        try:
            parts = urlsplit(value.strip())
            port = parts.port
        except ValueError as exc:
            raise ValueError(Phrase("is not a URL such as https://mail.example.com")) from exc
        if parts.scheme not in {"http", "https"} or not parts.hostname or " " in parts.netloc:
            raise ValueError(Phrase("is not a URL such as https://mail.example.com"))
        if parts.path not in {"", "/"} or parts.query or parts.fragment or parts.username is not None:
            raise ValueError(Phrase("must be scheme, host and port only, without path: https://mail.example.com"))
        if parts.scheme == "http" and not (http_on_loopback and _is_loopback(parts.hostname)):
            if http_on_loopback:
                raise ValueError(Phrase("must begin with https://; http is for loopback addresses only"))
            raise ValueError(Phrase("must begin with https://"))
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return f"{parts.scheme}://{host}" + ("" if port is None else f":{port}")

    return check


Text = Annotated[str, AfterValidator(_filled)]
Port = Annotated[int, BeforeValidator(_whole_number), Field(ge=0, le=65535)]
Key = Annotated[SecretStr, AfterValidator(_key)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url)]
Seconds = Annotated[int, BeforeValidator(_whole_number), Field(ge=1, le=_MAX_WAIT_SECONDS)]
PublicOrigin = Annotated[str, AfterValidator(_origin(http_on_loopback=True))]
SecureOrigin = Annotated[str, AfterValidator(_origin(http_on_loopback=False))]


class Settings(BaseModel):
    """All settings, valid and immutable. Direct construction reads neither environment nor file."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    database_url: DatabaseUrl = SecretStr("sqlite:///mail-importer.db")
    database_schema: Annotated[str, AfterValidator(_identifier)] | None = None
    """None: `dbo` on SQL Server."""
    database_pool_size: Annotated[int, BeforeValidator(_whole_number), Field(ge=2, le=_MAX_CONNECTIONS)] = 16
    """Maximum of connections to a server, per process."""
    database_statement_timeout: Seconds = 60
    database_login_timeout: Seconds = 15
    database_isolation: Isolation = "READ COMMITTED"
    database_tenant_id: Text | None = None
    database_client_id: Text | None = None
    database_thumbprint: Text | None = None
    """With the two before it: the identity for SQL Server, instead of a user and password in `database_url`."""
    queue: Literal["database", "servicebus"] = "database"
    servicebus_connection_string: SecretStr | None = None
    servicebus_namespace: Text | None = None
    servicebus_queue: Text = "mail-notifications"
    servicebus_transport: Literal["amqp", "websockets"] = "amqp"
    servicebus_tenant_id: Text | None = None
    servicebus_client_id: Text | None = None
    servicebus_thumbprint: Text | None = None
    """With the two before it: the identity for `servicebus_namespace`."""
    notification_url: PublicOrigin | None = None
    client_state_secret: Key | None = None
    client_state_secret_previous: Key | None = None
    receiver_host: Text = "127.0.0.1"
    receiver_port: Port = 8080
    """0: any free one."""
    receiver_tls_cert: Path | None = None
    receiver_tls_key: Path | None = None
    receiver_body_limit_mb: Annotated[int, BeforeValidator(_whole_number), Field(ge=1, le=_MAX_BODY_MEGABYTES)] = 1
    """MiB of one delivery; Graph's have a few kilobytes."""
    receiver_connections_per_address: Annotated[
        int, BeforeValidator(_whole_number), Field(ge=0, le=_MAX_CONNECTIONS)
    ] = 256
    """Maximum open at a time; 0: no bound, for a receiver behind a proxy."""
    metrics_host: Text = "127.0.0.1"
    metrics_port: Port = 9464
    """0: no metrics."""
    console_host: Text = "127.0.0.1"
    console_port: Port = 8081
    certificate_store: Text = "./certificates"
    certificate_password: SecretStr | None = None
    cloud: Literal["global", "usgov", "dod", "china"] = "global"
    graph_url: PublicOrigin = Field(default_factory=lambda data: CLOUDS[data["cloud"]].graph_url)
    authority_url: SecureOrigin = Field(default_factory=lambda data: CLOUDS[data["cloud"]].authority_url)
    ca_bundle: Path | None = None
    sweep_interval: Annotated[int, BeforeValidator(_whole_number), Field(ge=0, le=_MAX_SWEEP_SECONDS)] = 900
    trace_days: Annotated[int, BeforeValidator(_whole_number), Field(ge=1, le=_MAX_TRACE_DAYS)] = 90
    internet_headers: Literal["none", "selected", "all"] = "selected"
    attachment_limit_mb: Annotated[int, BeforeValidator(_whole_number), Field(ge=1, le=_MAX_MEGABYTES)] = 150
    """Larger ones are not kept; the default is Exchange's maximum."""
    message_limit_mb: Annotated[int, BeforeValidator(_whole_number), Field(ge=1, le=_MAX_MEGABYTES)] = 150
    """Limit of all attachments of one message together; and of its original."""
    keep_mime: Annotated[bool, BeforeValidator(_yes_or_no)] = False
    """Keeps the original of each message, as MIME, too: one more call of Graph for each."""
    log_format: Literal["json", "console"] | None = None
    """None: `json` when the logs do not go to a terminal."""

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

    @field_validator("database_thumbprint")
    @classmethod
    def _signs_in_to_database(cls, thumbprint: str | None, info: ValidationInfo) -> str | None:
        three = {name: info.data.get(name) for name in ("database_tenant_id", "database_client_id")}
        three["database_thumbprint"] = thumbprint
        missing = [name for name, value in three.items() if value is None and name in {*info.data, info.field_name}]
        if len(missing) == len(three) or "database_url" not in info.data:
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
        if value is None and info.data.get("servicebus_namespace") and not info.data["servicebus_connection_string"]:
            raise ValueError(Phrase("is not set; servicebus_namespace needs it to sign in with a certificate"))
        return value

    @field_validator("receiver_tls_key")
    @classmethod
    def _together(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        # A check of the field, not of the model: it reports beside other problems, not after them.
        if "receiver_tls_cert" in info.data and (info.data["receiver_tls_cert"] is None) != (key is None):
            given, missing = ("receiver_tls_cert", "key") if key is None else ("receiver_tls_key", "cert")
            raise ValueError(
                Phrase(
                    "{given} is set and receiver_tls_{missing} is not; the two go together",
                    given=given,
                    missing=missing,
                )
            )
        return key

    @property
    def database_backend(self) -> str:
        """The kind of the gateway database: sqlite, mssql, postgresql."""
        return make_url(self.database_url.get_secret_value()).get_backend_name()

    @property
    def shown_database_url(self) -> str:
        """The database URL for output and logs: without password, and without options, which may hold one, too."""
        return make_url(self.database_url.get_secret_value()).set(query={}).render_as_string(hide_password=True)


def _backend(info: ValidationInfo) -> str | None:
    """The kind of database; None: its URL is wrong, which is reported already."""
    url = info.data.get("database_url")
    return None if url is None else make_url(url.get_secret_value()).get_backend_name()


class _FromEverywhere(Settings, BaseSettings):
    """The same settings, with the environment overriding given values."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  # the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # the signature is pydantic's
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment, then the file, which `load_settings` passes."""
        return env_settings, init_settings


def load_settings() -> Settings:
    """Read the settings of this process.

    Raises:
        SettingsError: with every problem found.
    """
    variables = {name.upper(): name for name, value in os.environ.items() if name.upper().startswith(PREFIX) and value}
    problems = [
        _unknown(name, upper.removeprefix(PREFIX).lower(), Phrase("the environment"), lambda key: PREFIX + key.upper())
        for upper, name in sorted(variables.items())
        if upper not in {CONFIG_VARIABLE, language.VARIABLE}
        and not upper.startswith(TEST_PREFIX)
        and upper.removeprefix(PREFIX).lower() not in Settings.model_fields
    ]
    path, values = _read_file(problems)
    problems.extend(
        _unknown(key, key.lower(), Phrase("file {path}", path=path), str)
        for key in values
        if key not in Settings.model_fields
    )
    known = {key: value for key, value in values.items() if key in Settings.model_fields}
    try:
        settings = Settings(**dict(_FromEverywhere(**known)))
    except ValidationError as exc:
        raise SettingsError(*problems, *_explained(exc, variables, known, path)) from None
    if problems:
        raise SettingsError(*problems)
    return settings


def _read_file(problems: list[Phrase]) -> tuple[Path, dict[str, Any]]:
    """Return the TOML file and its content; errors in it go to `problems`."""
    named = os.environ.get(CONFIG_VARIABLE)
    path = Path(named or DEFAULT_FILE).absolute()
    try:
        return path, tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        if named:
            problems.append(Phrase("{variable}: there is no file {path}.", variable=CONFIG_VARIABLE, path=path))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        why = Phrase.of(exc) if isinstance(exc, tomllib.TOMLDecodeError) else Phrase("it is not UTF-8")
        problems.append(Phrase("file {path} is not TOML: {why}.", path=path, why=why))
    except OSError as exc:
        problems.append(Phrase("file {path} cannot be read: {why}.", path=path, why=exc.strerror))
    return path, {}


def _unknown(key: str, bare: str, where: Phrase, spelt: Callable[[str], str]) -> Phrase:
    close = difflib.get_close_matches(bare, Settings.model_fields, n=1, cutoff=0.7)
    hint = Phrase("See the settings in the documentation.")
    if close:
        hint = Phrase("Did you mean {key}?", key=spelt(close[0]))
    return Phrase("{key}: there is no such setting (set in {where}). {hint}", key=key, where=where, hint=hint)


def _explained(
    error: ValidationError, variables: Mapping[str, str], in_file: Mapping[str, object], path: Path
) -> list[Phrase]:
    """One line per problem. Only pydantic's sentence is used, never its input: that may be a secret."""
    lines = []
    for each in error.errors(include_url=False, include_input=False):
        if each["type"] == "default_factory_not_called":
            continue  # follows from the others
        key = str(each["loc"][0])
        variable = variables.get(PREFIX + key.upper())
        problem = Phrase("{key}: {why}.", key=key, why=_why(each))
        if variable:
            where = Phrase("the environment as {variable}", variable=variable)
            problem = Phrase("{key}: {why} (set in {where}).", key=key, why=_why(each), where=where)
        elif key in in_file:
            where = Phrase("file {path}", path=path)
            problem = Phrase("{key}: {why} (set in {where}).", key=key, why=_why(each), where=where)
        lines.append(problem)
    return lines


def _why(error: ErrorDetails) -> Phrase:
    """The message of pydantic, or of a check above; never the value itself."""
    context = error.get("ctx", {})
    match error["type"]:
        case "value_error":
            return Phrase.of(context["error"])
        case "greater_than_equal":
            return Phrase("Input should be greater than or equal to {least}", least=context["ge"])
        case "less_than_equal":
            return Phrase("Input should be less than or equal to {most}", most=context["le"])
        case "literal_error":
            return Phrase("Input should be one of {expected}", expected=context["expected"].replace(" or ", ", "))
        case "int_parsing" | "int_type" | "int_from_float":
            return Phrase("Input should be a whole number")
        case "string_type" | "path_type":
            return Phrase("Input should be a text")
    return Phrase.verbatim(error["msg"].removesuffix("."))
