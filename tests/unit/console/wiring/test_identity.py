"""Ways to sign in, as the settings name them."""

import sys

import pytest
from pydantic import SecretStr, ValidationError

from console.certificates.inventory import create
from console.settings import Settings, SettingsError
from console.wiring.certificate_store import certificate_store
from console.wiring.identity import identity_of, signing_in
from graph.identity import ManagedIdentity, WorkloadIdentity
from simulator.simulator import system_clock

SQL_SERVER = SecretStr("mssql+pyodbc://gateway.database.windows.net/MonitorPro")


def test_the_certificate_is_the_default() -> None:
    assert identity_of(Settings(), "graph_credential") is None


def test_each_service_has_its_own_way() -> None:
    settings = Settings(graph_credential="managed_identity", servicebus_credential="workload_identity")
    variables = {"AZURE_FEDERATED_TOKEN_FILE": "/var/run/token", "AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c"}
    assert isinstance(identity_of(settings, "graph_credential"), ManagedIdentity)
    assert isinstance(identity_of(settings, "servicebus_credential", environment=variables), WorkloadIdentity)
    assert signing_in(settings, "servicebus_credential", tenant_id=None, client_id="own", environment=variables) == (
        "t",
        "own",
    )


def test_a_workload_identity_without_its_variables_is_an_error_of_the_setting() -> None:
    settings = Settings(graph_credential="workload_identity")
    with pytest.raises(SettingsError, match="graph_credential: is workload_identity, and the variable AZURE_FEDERATED"):
        identity_of(settings, "graph_credential", environment={})
    settings = Settings(servicebus_credential="workload_identity")
    with pytest.raises(SettingsError, match="AZURE_TENANT_ID"):
        signing_in(settings, "servicebus_credential", tenant_id=None, client_id="c", environment={})


def test_a_managed_identity_needs_no_ids_of_an_application() -> None:
    Settings(database_url=SQL_SERVER, database_credential="managed_identity")
    Settings(
        queue="servicebus",
        servicebus_namespace="n.servicebus.windows.net",
        servicebus_credential="managed_identity",
    )
    settings = Settings(servicebus_credential="managed_identity")
    assert signing_in(settings, "servicebus_credential", tenant_id="t", client_id="c") == ("", "")


def test_only_a_database_of_sql_server_is_signed_in_to_so() -> None:
    with pytest.raises(ValidationError, match="database_url is not of SQL Server"):
        Settings(database_credential="managed_identity")


def test_without_its_extra_a_key_vault_is_an_error_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "graph.certificates.keyvault", raising=False)
    monkeypatch.setitem(sys.modules, "azure.keyvault.certificates", None)
    with pytest.raises(SettingsError, match=r"pip install 'mail-importer\[azure\]'"):
        certificate_store(Settings(certificate_store="keyvault:gateway"))


def test_a_key_vault_makes_its_certificates_itself() -> None:
    pytest.importorskip("azure.keyvault.certificates", reason="the extra azure is not installed")
    settings = Settings(certificate_store="keyvault:gateway")
    assert certificate_store(settings).name == "keyvault:https://gateway.vault.azure.net"
    with pytest.raises(SettingsError, match="az keyvault certificate create"):
        create(settings, "mail", system_clock())
