"""OpenTelemetry, where its standard variables ask for it; nothing of it is loaded otherwise."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import structlog
from prometheus_client import CollectorRegistry

from console.wiring.host import host_name, program_version

if TYPE_CHECKING:
    from console.wiring.otlp import Telemetry

_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


def telemetry_of(
    environment: Mapping[str, str], registry: CollectorRegistry, *, process: str, roles: tuple[str, ...]
) -> "Telemetry | None":
    """The telemetry that the variables of the environment ask for; None: none, or its packages are not installed.

    An endpoint has to be named, since the default of the specification would send to this host in any case.
    """
    signals = {each for each in ("TRACES", "METRICS") if _is_wanted(environment, each)}
    if not signals:
        return None
    try:
        from console.wiring.otlp import Telemetry  # noqa: PLC0415  # of an optional extra, and seldom used
    except ImportError as exc:
        log.warning(
            "telemetry_not_installed", missing=exc.name, detail="Install it: pip install 'mail-importer[telemetry]'"
        )
        return None
    about = {
        "service.name": "mail-importer",
        "service.version": program_version(),
        "service.instance.id": process,
        "host.name": host_name(),
        "mail_importer.roles": " ".join(roles),
    }
    return Telemetry(about, registry, traces="TRACES" in signals, metrics="METRICS" in signals)


def _is_wanted(environment: Mapping[str, str], signal: str) -> bool:
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if environment.get(f"OTEL_{signal}_EXPORTER", "otlp").strip().lower() == "none":
        return False
    return bool(environment.get(_ENDPOINT) or environment.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"))
