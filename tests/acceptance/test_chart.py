"""The Helm chart: rendered by Helm itself, valid in Kubernetes, true to the product, strict about rights of pods."""

import copy
import os
import re
import shlex
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import aiohttp
import click
import pytest
import sqlglot
from ruamel.yaml import YAML
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from bus.database.adapter import DatabaseQueue
from bus.queue import Message, MessageId
from console.main import cli
from console.settings import PREFIX, Settings
from console.settings_sources import CONFIG_VARIABLE, load_settings
from db.engine import Database
from graph.certificates.folder import FolderStore
from graph.certificates.self_signed import make_self_signed, write_pair
from tests.databases import EVERY_BACKEND, Gateway
from tests.fork_server import ForkedProcess, ForkServer
from tests.helm_chart import (
    CASES,
    CHART,
    Manifest,
    Release,
    case_values,
    container,
    from_yaml,
    helm,
    problems,
    release,
)
from tests.paths import ROOT
from tests.ports import free_port
from tests.waiting import until
from tools.chart import MADE_BY_THE_CHART, SECRET, documented_values, generated

_SECRETS_VARIABLE: Final = "MAIL_IMPORTER_SECRETS"
_ROLES: Final = {"receiver", "subscriptions", "processor", "delivery", "console"}
_SECRET_VALUES: Final = {
    "database_url": "mssql+pyodbc://user:made-up@sql.example.com/MonitorPro",
    "servicebus_connection_string": "Endpoint=sb://made-up.servicebus.windows.net/;SharedAccessKeyName=x;SharedAccessKey=eA==",
    "client_state_secret": "s" * 32,
    "client_state_secret_previous": "p" * 32,
    "certificate_password": "made-up",
    "alerts": "json://alerts.example.com",
}
_each_case: Final = pytest.mark.parametrize("case", CASES)


def _with(case: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401  # any YAML
    """The values of a case, with some of the top level replaced or added to."""
    values = copy.deepcopy(case_values(case))
    for name, value in changes.items():
        values[name] = {**values.get(name, {}), **value} if isinstance(value, dict) else value
    return values


def _selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return selector.items() <= labels.items()


def _policies_of(made: Release, pod: Manifest) -> list[Manifest]:
    labels = pod["metadata"]["labels"]
    return [each for each in made.of("NetworkPolicy") if _selects(each["spec"]["podSelector"]["matchLabels"], labels)]


def _ports_out(made: Release, role: str) -> set[int]:
    """Ports to which the pods of a role may connect, beside DNS."""
    rules = [rule for each in _policies_of(made, made.pods()[role]) for rule in each["spec"].get("egress", [])]
    return {port["port"] for rule in rules for port in rule["ports"]} - {53}


# Helm and Kubernetes


@_each_case
def test_helm_lints_the_chart_without_warning(case: str) -> None:
    """`helm lint --strict`; that an icon is recommended is information."""
    found = helm().lint(CHART, case_values(case), strict=True)
    assert found["errors"] == []
    assert [each for each in found["messages"] if each["severity"] > 1] == []


@_each_case
def test_objects_are_valid_in_the_oldest_and_the_newest_kubernetes(case: str) -> None:
    """And custom resources in the schema of their definition. Unknown fields are refused."""
    assert [problem for each in release(case).objects for problem in problems(each)] == []


@_each_case
def test_objects_are_in_the_namespace_of_the_release_and_named_once(case: str) -> None:
    made = release(case).objects
    assert {each["metadata"]["namespace"] for each in made} == {"mail"}
    names = [(each["kind"], each["metadata"]["name"]) for each in made]
    assert len(names) == len(set(names))


def test_every_kind_that_the_chart_can_make_is_in_a_case() -> None:
    """Templates that no case renders would be validated by no test."""
    texts = "\n".join(path.read_text("utf-8") for path in (CHART / "templates").glob("*.yaml"))
    made = set(re.findall(r"^kind: (\w+)$", texts, re.MULTILINE)) | {"PodMonitor"}
    assert {each["kind"] for case in CASES for each in release(case).objects} == made


def test_prometheus_is_served_by_a_service_monitor_too() -> None:
    made = Release(_with("minimal", monitoring={"scrape": "ServiceMonitor"}))
    (monitor,) = made.of("ServiceMonitor")
    assert list(problems(monitor)) == []
    (service,) = (
        each
        for each in made.of("Service")
        if _selects(monitor["spec"]["selector"]["matchLabels"], each["metadata"]["labels"])
    )
    assert service["spec"]["clusterIP"] == "None"


def test_chart_is_packed_with_its_version_and_without_what_only_tests_need(tmp_path: Path) -> None:
    """The version is that of the image, unless the values name a tag."""
    packed = helm().package(CHART, destination=tmp_path, version="1.2.3", app_version="1.2.3")
    values = _with("minimal", image={"tag": ""})
    with helm().Chart.load(packed) as chart:
        names = {each["name"] for each in chart.files}
        assert "image: registry.example.com/mail-importer:1.2.3\n" in str(chart.render(values)).replace("\\n", "\n")
    assert {"files/alerts.yml", "files/dashboard.json", "README.md"} <= names
    assert not [name for name in names if name.startswith(("ci/", "examples/"))]
    with pytest.raises(helm().HelmError, match=r"image\.tag"):
        Release(values)


def test_example_of_a_share_is_valid() -> None:
    """The claim of the example is the one that a case mounts."""

    documents = list(YAML(typ="safe").load_all(CHART / "examples" / "smb.yaml"))
    assert [problem for each in documents for problem in problems(each)] == []
    assert documents[1]["metadata"]["name"] in {
        each.get("existingClaim") for each in case_values("everything")["delivery"]["folders"]
    }


# Values


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"recevier": {"enabled": True}}, "recevier"),
        ({"receiver": {"replica": 2}}, "replica"),
        ({"processor": {"pod": {"nodeselector": {}}}}, "nodeselector"),
        ({"settings": {"databse_url": "x"}}, "databse_url"),
        ({"settings": {"sweep_interval": "often"}}, "sweep_interval"),
        ({"settings": {"client_state_secret": "s" * 32}}, "client_state_secret"),
        ({"settings": {"database_url": "mssql+pyodbc://user:made-up@sql/MonitorPro"}}, "database_url"),
        ({"settings": {"metrics_port": 0}}, "metrics_port"),
        ({"secrets": {"keys": ["password"]}}, "keys"),
        ({"image": {"tag": "latest"}}, "tag"),
        ({"pod": {"terminationGracePeriodSeconds": 5}}, "terminationGracePeriodSeconds"),
        ({"pod": {"extraEnv": [{"name": "MAIL_IMPORTER_CONFIG", "value": "x"}]}}, "extraEnv"),
        ({"receiver": {"ingress": {"enabled": True}}}, "host"),
        ({"image": {"repository": ""}}, "image.repository"),
        ({"secrets": {"existingSecret": ""}}, "secrets.existingSecret"),
        ({"secrets": {"keys": ["alerts"]}}, "database_url"),
        ({"settings": {"database_url": "sqlite:////var/lib/mail-importer/x.db"}}, "SQLite"),
        ({"settings": {"queue": "servicebus"}, "receiver": {"enabled": True}}, "client_state_secret"),
        ({"keyVault": {"name": "contoso"}}, "workloadIdentity.enabled"),
        ({"console": {"enabled": True}}, "console.ingress.enabled"),
        ({"delivery": {"enabled": True}}, "delivery.folders"),
        ({"processor": {"autoscaling": {"enabled": True}}}, "processor.autoscaling.existingSecret"),
    ],
)
def test_wrong_values_are_refused_by_their_name(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(helm().HelmError, match=re.escape(named)):
        Release(_with("minimal", **changes))


def test_every_value_has_its_comment() -> None:
    """Each is in the table of the README, alone or as part of one that is."""
    documented = {each.path for each in documented_values((CHART / "values.yaml").read_text("utf-8"))}

    def undocumented(value: object, path: str) -> Iterator[str]:
        if path in documented:
            return
        if not isinstance(value, dict) or not value:
            yield path
            return
        for name, each in value.items():
            yield from undocumented(each, f"{path}.{name}" if path else name)

    assert list(undocumented(from_yaml(CHART / "values.yaml"), "")) == []


def test_parts_that_other_files_define_are_up_to_date() -> None:
    """Rules, dashboard, settings in the schema, table of values."""
    outdated = [path.name for path, written in generated().items() if path.read_text("utf-8") != written]
    assert outdated == [], "run make chart, and commit deploy/helm"


def test_secret_settings_are_those_of_the_product() -> None:
    """A secret that is new must not end in a ConfigMap."""
    schema = Settings.model_json_schema()["properties"]
    secret = {
        name
        for name, field in schema.items()
        if any(each.get("format") == "password" for each in field.get("anyOf", [field]))
    }
    assert secret == SECRET | {"database_url"}
    assert set(Settings.model_fields) >= MADE_BY_THE_CHART


# The product


@_each_case
def test_pods_have_settings_that_the_product_takes(case: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """File, variables and secrets of each role together are valid settings."""
    monkeypatch.chdir(tmp_path)
    made = release(case)
    for role, pod in made.pods().items():
        (tmp_path / "mail-importer.toml").write_text(made.settings_file(role), "utf-8")
        variables = {each["name"]: each["value"] for each in container(pod)["env"]}
        with monkeypatch.context() as patched:
            for name in [name for name in os.environ if name.startswith(PREFIX)]:
                patched.delenv(name)
            for name, value in variables.items():
                if name.startswith(PREFIX) and name not in {CONFIG_VARIABLE, _SECRETS_VARIABLE}:
                    patched.setenv(name, value)
            for name in _secret_files(pod):
                patched.setenv(PREFIX + name.upper(), _SECRET_VALUES[name])
            settings = load_settings()
        assert (settings.metrics_port, settings.log_format) == (9464, "json")
        assert settings.metrics_host in {"0.0.0.0", "::"}
        if role == "receiver":
            assert settings.receiver_host == settings.metrics_host
            assert settings.receiver_connections_per_address == 0  # all are the ingress controller's
        if role == "delivery":
            mounted = {each["mountPath"] for each in container(pod)["volumeMounts"]}
            assert set(settings.delivery_folders) <= mounted
            assert settings.delivery_folders


def _secret_files(pod: Manifest) -> list[str]:
    """Names of the files in the folder of secrets, of a Secret."""
    found = [each["secret"] for each in pod["spec"]["volumes"] if each["name"] == "secrets" and "secret" in each]
    return [item["path"] for each in found for item in each["items"]]


@_each_case
def test_variables_of_the_pods_are_settings(case: str) -> None:
    """A misspelt one would end each process with exit status 2."""
    for pod in release(case).pods().values():
        names = {each["name"] for each in container(pod)["env"] if each["name"].startswith(PREFIX)}
        others = names - {CONFIG_VARIABLE, _SECRETS_VARIABLE}
        assert {name.removeprefix(PREFIX).lower() for name in others} <= set(Settings.model_fields)
        assert pod["spec"]["enableServiceLinks"] is False  # Kubernetes would add MAIL_IMPORTER_CONSOLE_PORT=tcp://…


@_each_case
def test_commands_of_the_pods_are_commands_of_the_product(case: str) -> None:
    pods = release(case).pods()
    for role, pod in pods.items():
        expected = ["db", "upgrade"] if role == "migration" else ["run", role]
        assert container(pod)["args"] == expected
        assert _is_command(expected)
        assert "command" not in container(pod)  # the entry point of the image


def test_there_are_pods_for_each_role() -> None:
    assert release("everything").pods().keys() == _ROLES | {"migration"}


@_each_case
def test_commands_in_the_notes_are_commands_of_the_product(case: str) -> None:
    """Those that Helm prints after an installation."""
    commands = re.findall(
        r"mail-importer ((?:accounts|config|status|db|console) .*|status)$", release(case).notes, re.MULTILINE
    )
    assert commands
    for command in commands:
        assert _is_command(shlex.split(command)), command


def _is_command(words: list[str]) -> bool:
    """True where the words lead to a command that has the options among them."""
    command: click.Command = cli
    context = click.Context(cli)
    for position, word in enumerate(words):
        if not isinstance(command, click.Group):
            options = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
            return {each for each in words[position:] if each.startswith("--")} <= options
        found = command.get_command(context, word)
        if found is None:
            return False
        command = found
    return not isinstance(command, click.Group)


def test_setting_of_a_role_starts_its_pods_alone_anew() -> None:
    before, after = (
        {role: pod["metadata"]["annotations"]["checksum/settings"] for role, pod in made.pods().items()}
        for made in (release("postgresql"), Release(_with("postgresql", subscriptions={"settings": {"trace_days": 5}})))
    )
    assert {role for role in before if before[role] != after[role]} == {"subscriptions"}


def test_certificates_are_found_among_the_links_of_a_mounted_secret(tmp_path: Path) -> None:
    """Kubernetes mounts a folder of links to a hidden folder, and the files readable for the group."""
    hidden = tmp_path / "..2026_11_30"
    hidden.mkdir()
    private, _ = write_pair(make_self_signed("chart", now=datetime.now(UTC)), hidden, "mail-importer")
    private.chmod(0o440)
    (tmp_path / "..data").symlink_to(hidden.name)
    (tmp_path / private.name).symlink_to(f"..data/{private.name}")
    assert len(FolderStore(tmp_path).list()) == 1


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
async def test_pods_do_their_work_with_what_the_chart_gives_them(
    empty_gateway: Gateway, fork_server: ForkServer, tmp_path: Path
) -> None:
    """The job makes the schema, then each role gets ready, and stops by SIGTERM: processes in place of containers."""
    made = Release(_with("postgresql", settings={"database_schema": "public"}))
    metrics = {role: free_port() for role in ("receiver", "subscriptions", "processor", "console")}
    running = {}

    def start(role: str, **variables: str) -> ForkedProcess:
        pod = container(made.pods()[role])
        settings = tmp_path / f"{role}.toml"
        settings.write_text(made.settings_file(role), "utf-8")
        given = {each["name"]: each["value"] for each in pod["env"] if each["name"] != _SECRETS_VARIABLE}
        given |= {CONFIG_VARIABLE: str(settings), **empty_gateway.environment, **variables}
        with (tmp_path / f"{role}.log").open("wb") as log:
            command = ("-m", "console", *pod["args"])
            return fork_server.start(*command, env=_outside() | given, cwd=tmp_path, stdout=log, stderr=log)

    assert start("migration").wait(60) == 0
    async with aiohttp.ClientSession() as session:

        async def ready() -> bool:
            try:
                for role, port in metrics.items():
                    path = container(made.pods()[role])["readinessProbe"]["httpGet"]["path"]
                    async with session.get(f"http://127.0.0.1:{port}{path}") as answer:
                        if answer.status != HTTPStatus.OK:
                            return False
            except aiohttp.ClientError:
                return False
            return True

        try:
            for role, port in metrics.items():
                free = {f"{PREFIX}{name}_PORT": str(free_port()) for name in ("RECEIVER", "CONSOLE")}
                running[role] = start(role, **free, MAIL_IMPORTER_METRICS_PORT=str(port))
            await until(ready, "the roles of the chart are ready")
            for process in running.values():
                process.terminate()
            assert {role: process.wait(10) for role, process in running.items()} == dict.fromkeys(running, 0)
        finally:
            for process in running.values():
                process.kill()


def _outside() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}


# Secrets


@_each_case
def test_no_object_holds_a_secret(case: str) -> None:
    """The chart makes no Secret, and no ConfigMap has a setting that is secret."""
    made = release(case)
    assert made.of("Secret") == []
    for role in made.pods():
        settings = tomllib.loads(made.settings_file(role))
        assert not settings.keys() & SECRET
        assert make_url(settings.get("database_url", "x://")).password is None
    for pod in made.pods().values():
        assert not {each["name"].removeprefix(PREFIX).lower() for each in container(pod)["env"]} & SECRET


def test_roles_get_no_more_secrets_than_they_need() -> None:
    """A process without a secret cannot leak it."""
    pods = release("servicebus").pods()
    clients = {"client_state_secret", "client_state_secret_previous"}
    assert {role: set(_secret_files(pod)) for role, pod in pods.items()} == {
        "receiver": {"servicebus_connection_string", *clients},
        "subscriptions": {"database_url", "servicebus_connection_string", *clients},
        "processor": {"database_url", "servicebus_connection_string"},
        "migration": {"database_url"},
    }
    mounted = {
        role: {each["name"]: each["secret"]["secretName"] for each in pod["spec"]["volumes"] if "secret" in each}
        for role, pod in pods.items()
    }
    assert mounted["receiver"] == {"secrets": "mail-importer-receiver"}
    assert mounted["migration"] == {"secrets": "mail-importer"}
    assert mounted["processor"]["certificates"] == "mail-importer-certificates"


def test_receiver_in_front_of_service_bus_knows_no_database() -> None:
    """It may stand in a DMZ: neither a secret nor a setting, such as the server's name, leads there."""
    settings = tomllib.loads(release("azure").settings_file("receiver"))
    assert not [name for name in settings if name.startswith("database_")]
    assert "database_url" in tomllib.loads(release("azure").settings_file("processor"))


def test_vault_is_mounted_where_the_product_reads() -> None:
    """Each role has a class of its own; a secret is aliased to its setting, a certificate to its file."""
    made = release("azure")
    aliases = {}
    for role, pod in made.pods().items():
        for volume in pod["spec"]["volumes"]:
            if "csi" in volume:
                provided = made.named("SecretProviderClass", volume["csi"]["volumeAttributes"]["secretProviderClass"])
                objects = from_yaml(provided["spec"]["parameters"]["objects"])["array"]
                aliases[role, volume["name"]] = {from_yaml(each)["objectAlias"] for each in objects}
    assert aliases == {
        ("receiver", "secrets"): {"client_state_secret"},
        ("subscriptions", "secrets"): {"alerts", "client_state_secret"},
        ("subscriptions", "certificates"): {"mail-importer.pem"},
        ("processor", "secrets"): {"alerts"},
        ("processor", "certificates"): {"mail-importer.pem"},
    }
    assert len(made.of("SecretProviderClass")) == len(aliases)


# What pods may do


@_each_case
def test_pods_keep_to_the_restricted_standard(case: str) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards, and a read-only root."""
    user = re.search(r"^USER (\d+)$", (ROOT / "deploy" / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert user is not None
    for pod in release(case).pods().values():
        whole, one = pod["spec"]["securityContext"], container(pod)["securityContext"]
        assert (whole["runAsNonRoot"], whole["runAsUser"]) == (True, int(user[1]))
        assert whole["seccompProfile"] == {"type": "RuntimeDefault"}
        assert one["readOnlyRootFilesystem"] is True
        assert (one["allowPrivilegeEscalation"], one["privileged"]) == (False, False)
        assert one["capabilities"] == {"drop": ["ALL"]}
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & pod["spec"].keys()
        written = {each["mountPath"] for each in container(pod)["volumeMounts"] if not each.get("readOnly")}
        assert {"/tmp", "/var/lib/mail-importer"} <= written
        for volume in pod["spec"]["volumes"]:
            assert volume.keys() - {"name"} <= {"configMap", "secret", "csi", "emptyDir", "projected"} | {
                "persistentVolumeClaim"
            }
            assert volume.get("emptyDir", {"sizeLimit": ""}).keys() == {"sizeLimit"}


@_each_case
def test_pods_have_no_token_of_the_cluster(case: str) -> None:
    """With workload identity there is one for Entra, which the cluster's API refuses."""
    made = release(case)
    for pod in made.pods().values():
        assert pod["spec"]["automountServiceAccountToken"] is False
        account = made.named("ServiceAccount", pod["spec"]["serviceAccountName"])
        assert account["automountServiceAccountToken"] is False
        projected = [
            source["serviceAccountToken"]["audience"]
            for volume in pod["spec"]["volumes"]
            for source in volume.get("projected", {}).get("sources", [])
        ]
        assert set(projected) <= {"api://AzureADTokenExchange"}
    assert not [each for each in made.objects if "Role" in each["kind"]]


def test_each_identity_signs_in_for_its_own_pods() -> None:
    """The receiver's may only send, that of the job change the schema."""
    made = release("azure")
    identities = case_values("azure")["workloadIdentity"]
    for role, pod in made.pods().items():
        account = made.named("ServiceAccount", pod["spec"]["serviceAccountName"])
        expected = identities.get(f"{role}ClientId", identities["clientId"])
        assert account["metadata"]["annotations"]["azure.workload.identity/client-id"] == expected
        assert pod["metadata"]["labels"]["azure.workload.identity/use"] == "true"
    # Without the webhook the pods have what it would add.
    variables = {each["name"] for each in container(release("everything").pods()["processor"])["env"]}
    assert {"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE"} <= variables


@_each_case
def test_pods_ask_for_resources_and_bound_their_memory(case: str) -> None:
    for pod in release(case).pods().values():
        resources = container(pod)["resources"]
        assert {"cpu", "memory"} <= resources["requests"].keys()
        assert "memory" in resources["limits"]


@_each_case
def test_images_are_those_of_the_values_and_never_latest(case: str) -> None:
    images = {container(pod)["image"] for pod in release(case).pods().values()}
    assert len(images) == 1
    assert re.search(r"(:(?!latest)[\w.-]+|@sha256:[0-9a-f]{64})$", images.pop())


@_each_case
def test_network_policies_deny_what_no_role_needs(case: str) -> None:
    """Each pod has the policy that denies all, and one of its own; ports that they name exist."""
    made = release(case)
    for role, pod in made.pods().items():
        mine = _policies_of(made, pod)
        assert {each["metadata"]["name"].rpartition("-")[2] for each in mine} == {"deny", role}
        assert all(each["spec"]["policyTypes"] == ["Ingress", "Egress"] for each in mine)
        ports = {each["name"] for each in container(pod).get("ports", [])}
        rules = [rule for each in mine for rule in each["spec"].get("ingress", [])]
        assert {port["port"] for rule in rules for port in rule["ports"]} <= ports
        assert all(rule["from"] for rule in rules)  # an empty list would allow everyone
        if role not in {"receiver", "console"}:
            assert {port["port"] for rule in rules for port in rule["ports"]} <= {"metrics"}
    selected = [each["spec"]["podSelector"]["matchLabels"] for each in made.of("NetworkPolicy")]
    for selector in selected:
        assert any(_selects(selector, pod["metadata"]["labels"]) for pod in made.pods().values())


def test_roles_reach_no_more_than_they_need() -> None:
    bus, own = release("servicebus"), release("postgresql")
    assert {role: _ports_out(bus, role) for role in bus.pods()} == {
        "receiver": {5671},
        "subscriptions": {1433, 5671, 443},
        "processor": {1433, 5671, 443},
        "migration": {1433},
    }
    assert {role: _ports_out(own, role) for role in own.pods()} == {
        "receiver": {5432},
        "subscriptions": {5432, 443},
        "processor": {5432, 443},
        "console": {5432, 443},
        "migration": {5432},
    }
    # Signing in takes 443, as do web sockets.
    assert _ports_out(release("azure"), "receiver") == {443}
    assert _ports_out(release("everything"), "delivery") == {1433}


def test_no_peer_is_no_access() -> None:
    """An empty list in a policy itself would be everyone."""
    made = Release(_with("servicebus", networkPolicy={"ingressController": [], "monitoring": []}))
    rules = [rule for each in made.of("NetworkPolicy") for rule in each["spec"].get("ingress") or []]
    assert rules == []


def test_any_role_can_be_recreated_at_an_update() -> None:
    """Kubernetes refuses `rollingUpdate` beside it, which is a default of the chart."""
    made = Release(_with("minimal", processor={"strategy": {"type": "Recreate"}}))
    assert made.named("Deployment", "mail-importer-processor")["spec"]["strategy"] == {"type": "Recreate"}


def test_without_policies_there_are_none() -> None:
    assert Release(_with("minimal", networkPolicy={"enabled": False})).of("NetworkPolicy") == []


# Health and life


@_each_case
def test_an_outage_restarts_no_pod(case: str) -> None:
    """Liveness and start ask whether the process answers, at the port of the metrics; readiness asks for the rest."""
    for role, pod in release(case).pods().items():
        one = container(pod)
        if role == "migration":
            assert not {"livenessProbe", "startupProbe", "readinessProbe"} & one.keys()
            continue
        ports = {each["name"]: each["containerPort"] for each in one["ports"]}
        assert ports["metrics"] == tomllib.loads(release(case).settings_file(role))["metrics_port"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert one[probe]["httpGet"]["port"] == "metrics"
        for probe in ("startupProbe", "livenessProbe"):
            assert one[probe]["httpGet"]["path"] == "/health/live"
        assert one["readinessProbe"]["httpGet"]["path"] == ("/health/live" if role == "console" else "/health/ready")
        # A start waits for the database as long as one sign-in may take, at its most.
        assert one["startupProbe"]["periodSeconds"] * one["startupProbe"]["failureThreshold"] > 60


@_each_case
def test_pods_have_time_to_stop(case: str) -> None:
    """The stop takes 10 s at most, after the pause before it."""
    for pod in release(case).pods().values():
        pause = container(pod).get("lifecycle", {"preStop": {"exec": {"command": ["sleep", "0"]}}})
        seconds = int(pause["preStop"]["exec"]["command"][1])
        assert pod["spec"]["terminationGracePeriodSeconds"] >= 12 + seconds


@_each_case
def test_budgets_let_nodes_be_drained(case: str) -> None:
    made = release(case)
    for role, pod in made.pods().items():
        mine = [
            each
            for each in made.of("PodDisruptionBudget")
            if _selects(each["spec"]["selector"]["matchLabels"], pod["metadata"]["labels"])
        ]
        assert len(mine) == (role != "migration")
        assert all(each["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow" for each in mine)


@_each_case
def test_job_finds_all_that_it_needs_before_the_release_exists(case: str) -> None:
    """Hooks run first: whatever the job mounts, and the chart makes, is a hook of an earlier weight."""
    made = release(case)
    hooks = [each for each in made.objects if "helm.sh/hook" in each["metadata"].get("annotations", {})]
    weights = {
        (each["kind"], each["metadata"]["name"]): int(each["metadata"]["annotations"]["helm.sh/hook-weight"])
        for each in hooks
    }
    assert {each["metadata"]["annotations"]["helm.sh/hook"] for each in hooks} == {"pre-install,pre-upgrade"}
    assert all(
        "before-hook-creation" in each["metadata"]["annotations"]["helm.sh/hook-delete-policy"] for each in hooks
    )
    name = made.of("Job")[0]["metadata"]["name"]
    needed = {(kind, each) for kind, each in _references(made.pods()["migration"]) if kind != "Secret"}
    for reference in needed | {("NetworkPolicy", name)}:
        if reference[1] == "company-ca":
            continue
        assert weights.get(reference, 0) < weights["Job", name], reference
    # None of the release's own objects is one: Helm would delete it after the job.
    assert {each["metadata"]["name"] for each in hooks} <= {name, f"{name}-secrets", f"{name}-certificates"}


def test_job_is_bounded_and_ends_for_wrong_settings() -> None:
    spec = release("minimal").of("Job")[0]["spec"]
    assert min(spec["activeDeadlineSeconds"], spec["ttlSecondsAfterFinished"]) > 0
    assert spec["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"] == [2]
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    assert Release(_with("minimal", migration={"enabled": False})).of("Job") == []


@_each_case
def test_objects_that_pods_name_exist(case: str) -> None:
    """Those that the chart makes; others are named in the values."""
    made = release(case)
    known = {(each["kind"], each["metadata"]["name"]) for each in made.objects}
    values = str(case_values(case))
    for pod in made.pods().values():
        missing = _references(pod) - known
        assert [name for _, name in missing if name not in values] == []


def _references(pod: Manifest) -> set[tuple[str, str]]:
    found = {("ServiceAccount", pod["spec"]["serviceAccountName"])}
    for volume in pod["spec"]["volumes"]:
        if "configMap" in volume:
            found.add(("ConfigMap", volume["configMap"]["name"]))
        elif "secret" in volume:
            found.add(("Secret", volume["secret"]["secretName"]))
        elif "csi" in volume:
            found.add(("SecretProviderClass", volume["csi"]["volumeAttributes"]["secretProviderClass"]))
        elif "persistentVolumeClaim" in volume:
            found.add(("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]))
    return found


# The network


@_each_case
def test_services_lead_to_pods(case: str) -> None:
    made = release(case)
    for service in made.of("Service"):
        target = service["spec"]["ports"][0]["targetPort"]
        selected = [
            container(pod)
            for pod in made.pods().values()
            if _selects(service["spec"]["selector"], pod["metadata"]["labels"])
        ]
        assert any(target in {each["name"] for each in one.get("ports", [])} for one in selected)


@pytest.mark.parametrize(("case", "limit"), [("servicebus", "1m"), ("everything", "2m")])
def test_ingress_of_the_receiver_passes_two_paths_on(case: str, limit: str) -> None:
    """And bodies as large as the receiver takes."""
    ingress = release(case).named("Ingress", release(case).of("Service")[0]["metadata"]["name"])
    (rule,) = ingress["spec"]["rules"]
    paths = {(each["path"], each["pathType"]) for each in rule["http"]["paths"]}
    assert paths == {("/notifications", "Exact"), ("/lifecycle", "Exact")}
    assert limit in ingress["metadata"]["annotations"].values()
    assert ingress["spec"]["tls"][0]["hosts"] == [rule["host"]]


def test_route_of_a_gateway_passes_the_same_paths_on() -> None:
    (route,) = release("postgresql").of("HTTPRoute")
    (rule,) = route["spec"]["rules"]
    assert {each["path"]["value"] for each in rule["matches"]} == {"/notifications", "/lifecycle"}
    assert {each["path"]["type"] for each in rule["matches"]} == {"Exact"}


# KEDA


@pytest.mark.parametrize(
    ("case", "trigger", "parameter", "metadata"),
    [
        # The names are those of KEDA's scalers: pkg/scalers of kedacore/keda, 2.20.
        ("servicebus", "azure-servicebus", "connection", {"queueName", "messageCount"}),
        ("azure", "azure-servicebus", None, {"queueName", "messageCount", "namespace"}),
        ("postgresql", "postgresql", "connection", {"query", "targetQueryValue"}),
        ("everything", "mssql", None, {"query", "targetValue", "host", "database"}),
    ],
)
def test_keda_scales_the_processors(case: str, trigger: str, parameter: str | None, metadata: set[str]) -> None:
    made = release(case)
    (scaled,), (authentication,) = made.of("ScaledObject"), made.of("TriggerAuthentication")
    deployment = made.named("Deployment", scaled["spec"]["scaleTargetRef"]["name"])
    assert deployment["metadata"]["labels"]["app.kubernetes.io/component"] == "processor"
    assert "replicas" not in deployment["spec"]  # an upgrade would undo what KEDA did
    (found,) = scaled["spec"]["triggers"]
    assert (found["type"], found["metadata"].keys()) == (trigger, metadata)
    assert found["authenticationRef"]["name"] == authentication["metadata"]["name"]
    if parameter is None:
        assert authentication["spec"] == {"podIdentity": {"provider": "azure-workload"}}
    else:
        assert authentication["spec"]["secretTargetRef"][0]["parameter"] == parameter


@pytest.mark.parametrize("database_kind", EVERY_BACKEND, indirect=True)
async def test_query_of_keda_counts_what_processors_could_work_on(gateway: Gateway, database: Database) -> None:
    """Due messages and those in flight; none that is delayed, dead or done. (On SQLite T-SQL is translated.)"""
    queue = DatabaseQueue(database, clock=lambda: datetime.now(UTC))
    later = datetime.now(UTC) + timedelta(minutes=30)
    await queue.put([Message(MessageId(f"due-{number}"), "{}") for number in range(6)])
    await queue.put([Message(MessageId("delayed"), "{}", not_before=later)])
    taken = await queue.receive(4, wait=timedelta(0))
    await queue.complete(taken[0])
    await queue.dead_letter(taken[1], reason="test", description="Test.")
    try:
        engine = create_engine(gateway.url) if gateway.backend == "sqlite" else database.engine
        with engine.connect() as connection:
            assert connection.execute(text(_query(gateway))).scalar_one() == 4
        engine.dispose()
    finally:
        await queue.close()


def _query(gateway: Gateway) -> str:
    """The query that the chart makes for the database."""
    if gateway.backend == "postgresql":
        made = Release(_with("postgresql", settings={"database_schema": gateway.schema or "public"}))
    else:
        made = Release(_with("everything", settings={"database_schema": gateway.schema or "dbo"}))
    query: str = made.of("ScaledObject")[0]["spec"]["triggers"][0]["metadata"]["query"]
    if gateway.backend != "sqlite":
        return query.replace(":", "\\:")
    plain = query.replace("WITH (READPAST, READCOMMITTEDLOCK)", "").replace("[dbo].", "").replace("N'", "'")
    minute = "DATEADD(second, 60, SYSUTCDATETIME())"
    assert minute in plain
    (translated,) = sqlglot.transpile(plain.replace(minute, "'MINUTE'"), read="tsql", write="sqlite")
    return translated.replace("'MINUTE'", "strftime('%Y-%m-%d %H:%M:%f', 'now', '60 seconds')").replace(":", "\\:")


def test_query_of_keda_waits_for_no_lock_on_sql_server() -> None:
    """READPAST needs READCOMMITTEDLOCK where row versions serve readers; see db/locking.py."""
    query = release("everything").of("ScaledObject")[0]["spec"]["triggers"][0]["metadata"]["query"]
    parsed = sqlglot.parse_one(query, read="tsql")
    (table,) = parsed.find_all(sqlglot.exp.Table)
    assert (table.db, table.name) == ("gateway", "tblNotificationQueue")
    assert "WITH (READPAST, READCOMMITTEDLOCK)" in query


# Monitoring


def test_rules_and_dashboard_are_those_of_deploy_monitoring() -> None:
    made = release("everything")
    rules = from_yaml(ROOT / "deploy" / "monitoring" / "alerts.yml")
    assert made.of("PrometheusRule")[0]["spec"] == rules
    shown = next(each for each in made.of("ConfigMap") if each["metadata"]["name"].endswith("dashboard"))
    text_of = (ROOT / "deploy" / "monitoring" / "dashboard.json").read_text("utf-8")
    assert shown["data"]["mail-importer.json"].strip() == text_of.strip()
    assert shown["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_monitor_gives_a_job_that_rules_know() -> None:
    """Each pod is scraped once, under the job of its release: two releases in one Prometheus are told apart."""
    made = release("everything")
    (monitor,) = made.of("PodMonitor")
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    jobs = [each["replacement"] for each in endpoint["relabelings"] if each["targetLabel"] == "job"]
    namespace, name = (monitor["metadata"][key] for key in ("namespace", "name"))
    assert jobs == [f"mail-importer/{namespace}/{name}"]
    patterns = set(re.findall(r'job=~?"([^"]+)"', str(made.of("PrometheusRule"))))
    assert patterns
    assert [each for each in patterns if not re.fullmatch(each, jobs[0])] == []
    for pod in made.pods().values():
        assert _selects(monitor["spec"]["selector"]["matchLabels"], pod["metadata"]["labels"])


# Placement


def test_pods_are_placed_as_the_values_say() -> None:
    """Common placement, and that of a role over it; variables of both."""
    pods = release("everything").pods()
    assert pods["processor"]["spec"]["nodeSelector"] == {"kubernetes.io/os": "linux"}
    assert {role for role, pod in pods.items() if "affinity" in pod["spec"]} == {"subscriptions"}
    names = [each["name"] for each in container(pods["receiver"])["env"]]
    assert names[-4:] == ["TZ", "HTTPS_PROXY", "NO_PROXY", "MAIL_IMPORTER_LOG_FORMAT"]
    for role, pod in pods.items():
        spread = pod["spec"].get("topologySpreadConstraints", [])
        assert len(spread) == (0 if role == "migration" else 2)
        for each in spread:
            assert _selects(each["labelSelector"]["matchLabels"], pod["metadata"]["labels"])
