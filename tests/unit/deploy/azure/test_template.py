"""The template of Azure, evaluated for each parameter file: what would be deployed. Nothing is deployed here."""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import pytest
from click.testing import CliRunner

from console.main import cli
from console.settings import Settings
from console.settings_sources import load_settings
from db.schema.grants import Role
from tests.paths import ROOT
from tests.unit.deploy.azure.arm import Evaluator

FOLDER: Final = ROOT / "deploy" / "azure"
TEMPLATE: Final = json.loads((FOLDER / "azuredeploy.json").read_text(encoding="utf-8"))
SECRET: Final = "0123456789" * 4
CASES: Final = ("all", "receiver", "private")
of_each = pytest.mark.parametrize("case", CASES)

SENDER: Final = "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39"
RECEIVER: Final = "4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0"
SECRETS_USER: Final = "4633458b-17de-408a-b874-0445c86b69e6"
VAULT_READER: Final = "21090545-7ca7-4776-b22c-e363652d74d2"
CRYPTO_USER: Final = "12338af0-0e69-4776-bea7-57ae8d297424"
"""Microsoft's ids: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles"""


def given(case: str) -> dict[str, Any]:
    parameters = json.loads((FOLDER / f"{case}.parameters.json").read_text(encoding="utf-8"))["parameters"]
    assert set(parameters["clientStateSecret"]) == {"reference"}
    return {name: SECRET if "reference" in each else each["value"] for name, each in parameters.items()}


@cache
def _deployed(case: str) -> Mapping[str, dict[str, Any]]:
    return Evaluator(TEMPLATE, given(case)).resources()


def _programs(case: str) -> dict[str, dict[str, Any]]:
    kinds = {"Microsoft.App/containerApps", "Microsoft.App/jobs"}
    return {name: each for name, each in _deployed(case).items() if each["type"] in kinds}


def _container(program: dict[str, Any]) -> dict[str, Any]:
    (container,) = program["properties"]["template"]["containers"]
    return dict(container)


def _roles(case: str) -> dict[str, set[tuple[str, str]]]:
    """Per principal its roles, each with the type of the resource at which it is held."""
    found: dict[str, set[tuple[str, str]]] = {}
    for each in _deployed(case).values():
        if each["type"] == "Microsoft.Authorization/roleAssignments":
            kind = "/".join(each["scope"].split("/providers/")[1].split("/")[1::2])
            role = each["properties"]["roleDefinitionId"].rpartition("/")[2]
            assert each["properties"]["principalType"] == "ServicePrincipal"
            found.setdefault(each["properties"]["principalId"], set()).add((role, kind))
    return found


def test_each_case_deploys_its_programs() -> None:
    """All in Azure, with or without a private network; or the receiver alone, without a database."""
    assert set(_programs("all")) == {"receiver", "subscriptions", "processor", "delivery", "migration"}
    assert set(_programs("receiver")) == {"receiver"}
    assert set(_programs("private")) == {*_programs("all"), "console"}
    assert not [each for each in _deployed("receiver").values() if each["type"].startswith("Microsoft.Sql")]


@of_each
def test_programs_start_with_valid_settings(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each variable is a setting of the product, with a value that it accepts."""
    for program in _programs(case).values():
        with monkeypatch.context() as context:
            for entry in _container(program)["env"]:
                name = entry["name"].removeprefix("MAIL_IMPORTER_").lower()
                assert name in Settings.model_fields
                context.setenv(entry["name"], SECRET if "secretRef" in entry else entry["value"])
            settings = load_settings()
        assert settings.queue == "servicebus"
        assert settings.servicebus_credential == "managed_identity"
        assert str(settings.servicebus_namespace).endswith(".servicebus.windows.net")
        client = f"client-of-{next(iter(program['identity']['userAssignedIdentities'])).rpartition('/')[2]}"
        assert settings.managed_identity_client_id == client


@of_each
def test_commands_exist(case: str) -> None:
    """The containers run commands of the product."""
    for program in _programs(case).values():
        assert CliRunner().invoke(cli, [*_container(program)["args"], "--help"]).exit_code == 0


@of_each
def test_probes_ask_the_port_that_serves_health(case: str) -> None:
    """Probes go to the metrics port; the ingress goes to the port of the receiver or of the console."""
    for name, program in _programs(case).items():
        if name == "migration":
            continue
        env = {entry["name"]: entry.get("value") for entry in _container(program)["env"]}
        for probe in _container(program)["probes"]:
            assert str(probe["httpGet"]["port"]) == env["MAIL_IMPORTER_METRICS_PORT"]
            assert probe["httpGet"]["path"] in {"/health/live", "/health/ready"}
        ingress = program["properties"]["configuration"].get("ingress")
        assert (ingress is not None) == (name in {"receiver", "console"})
        if ingress is not None:
            assert str(ingress["targetPort"]) == env[f"MAIL_IMPORTER_{name.upper()}_PORT"]
            assert ingress["allowInsecure"] is False


@of_each
def test_secrets_are_references(case: str) -> None:
    """The secret is in the vault alone: in no variable, no output, no plain parameter."""
    deployed = dict(_deployed(case))
    assert deployed.pop("clientState")["properties"]["value"] == SECRET
    assert SECRET not in json.dumps(deployed)
    assert SECRET not in json.dumps(Evaluator(TEMPLATE, given(case)).outputs())
    assert "listKeys" not in json.dumps(TEMPLATE["outputs"])
    for name, parameter in TEMPLATE["parameters"].items():
        if re.search(r"secret|password|key", name, re.IGNORECASE):
            assert parameter["type"] == "securestring"
    for program in _programs(case).values():
        named = {each["name"] for each in program["properties"]["configuration"].get("secrets", [])}
        assert {entry["secretRef"] for entry in _container(program)["env"] if "secretRef" in entry} <= named


@of_each
def test_identities_have_the_least_roles(case: str) -> None:
    """The receiver sends and reads its own secret; workers also receive and sign; a migration has no role in Azure."""
    given = _roles(case)
    bus, secret = "namespaces/queues", "vaults/secrets"
    expected = {"principal-of-mailimp-receiver": {(SENDER, bus), (SECRETS_USER, secret)}}
    if case == "receiver":
        expected["22222222-3333-4444-5555-666666666666"] = {(SENDER, bus), (RECEIVER, bus)}
    else:
        expected["principal-of-mailimp-worker"] = {
            (SENDER, bus), (RECEIVER, bus), (SECRETS_USER, secret),
            (VAULT_READER, "vaults"), (CRYPTO_USER, "vaults"),
        }  # fmt: skip
    assert given == expected
    assignments = [each for each in _deployed(case).values() if each["type"].endswith("roleAssignments")]
    assert len({each["name"] for each in assignments}) == len(assignments)


@of_each
def test_network_is_as_closed_as_it_can_be(case: str) -> None:
    """TLS 1.2 at least and no keys everywhere; with private networking only endpoints of the network."""
    deployed = _deployed(case)
    assert deployed["bus"]["properties"]["minimumTlsVersion"] == "1.2"
    assert deployed["bus"]["properties"]["disableLocalAuth"] is True
    assert deployed["vault"]["properties"]["enableRbacAuthorization"] is True
    if case != "receiver":
        assert deployed["sql"]["properties"]["minimalTlsVersion"] == "1.2"
        assert deployed["sql"]["properties"]["administrators"]["azureADOnlyAuthentication"] is True
        assert deployed["storage"]["properties"]["minimumTlsVersion"] == "TLS1_2"
    services = [deployed[name] for name in ("bus", "vault", "sql", "storage") if name in deployed]
    private = case == "private"
    assert {each["properties"]["publicNetworkAccess"] for each in services} == {"Disabled" if private else "Enabled"}
    reached = {
        each["properties"]["privateLinkServiceConnections"][0]["properties"]["privateLinkServiceId"].rpartition("/")[2]
        for each in deployed.values()
        if each["type"] == "Microsoft.Network/privateEndpoints"
    }
    assert reached == ({each["name"] for each in services} if private else set())
    assert ("sqlFirewall" in deployed) == (case == "all")
    assert deployed["bus"]["sku"]["name"] == ("Premium" if private else "Standard")


def test_resources_depend_on_declared_ones() -> None:
    """API versions have a date, and dependencies exist, without a circle."""
    resources = TEMPLATE["resources"]
    order: list[str] = []
    while len(order) < len(resources):
        ready = [
            name for name in resources if name not in order and set(resources[name].get("dependsOn", [])) <= set(order)
        ]
        assert ready, f"a circle among {set(resources) - set(order)}"
        order += ready
    assert all(re.fullmatch(r"20\d\d-\d\d-\d\d(-preview)?", each["apiVersion"]) for each in resources.values())


@of_each
def test_names_fit_the_rules_of_azure(case: str) -> None:
    """Lengths and characters of names that Azure limits; the image has a version."""
    deployed = _deployed(case)
    assert re.fullmatch(r"[a-z][a-z0-9-]{1,22}[a-z0-9]", deployed["vault"]["name"])
    assert re.fullmatch(r"[a-z][a-z0-9-]{4,48}[a-z0-9]", deployed["bus"]["name"])
    if "storage" in deployed:
        assert re.fullmatch(r"[a-z0-9]{3,24}", deployed["storage"]["name"])
    for program in _programs(case).values():
        assert re.fullmatch(r"[a-z][a-z0-9-]{0,30}[a-z0-9]", program["name"])
        assert re.search(r"(:\d[\w.-]*|@sha256:[0-9a-f]{64})$", _container(program)["image"])


def test_queue_is_that_of_the_template_for_the_queue_alone() -> None:
    """Both templates make the same queue."""
    alone = json.loads((ROOT / "deploy" / "servicebus" / "azuredeploy.json").read_text(encoding="utf-8"))
    (queue,) = (each for each in alone["resources"] if each["type"].endswith("/queues"))
    assert _deployed("all")["queue"]["properties"] == queue["properties"]


def test_processors_scale_by_the_queue() -> None:
    """The scale rule names namespace and queue, and signs in by the worker's identity."""
    processor = _deployed("all")["processor"]
    (rule,) = processor["properties"]["template"]["scale"]["rules"]
    assert rule["custom"]["type"] == "azure-servicebus"
    assert rule["custom"]["metadata"] == {
        "namespace": _deployed("all")["bus"]["name"], "queueName": "mail-notifications", "messageCount": "100",
    }  # fmt: skip
    assert rule["custom"]["identity"] in processor["identity"]["userAssignedIdentities"]


def test_users_of_the_database_are_those_of_the_template() -> None:
    """The script makes the identities that open the database members of the roles that the product grants."""
    script = (FOLDER / "users.sql").read_text(encoding="utf-8")
    assert set(re.findall(r"CREATE USER \[([^]]+)\]", script)) == {"mailimp-worker", "mailimp-migration"}
    roles = set(re.findall(r"ALTER ROLE (\w+) ADD MEMBER \[mailimp-worker\]", script))
    assert roles == {each.database_role for each in (Role.PROCESSOR, Role.SUBSCRIPTIONS, Role.DELIVERY, Role.CONSOLE)}
