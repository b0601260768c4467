"""The compose files, rendered by Compose itself, and the small site of them run as processes, behind a real Caddy."""

import asyncio
import io
import ipaddress
import json
import os
import re
import shlex
import shutil
import ssl
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
from aiohttp import web
from sqlalchemy import make_url, select
from yarl import URL

from console.settings import PREFIX, Settings
from console.settings_sources import load_settings
from db.tables import account_settings
from simulator.control_client import SimulatorControl
from tests.acceptance.conftest import Site, start_simulator, stop
from tests.databases import Gateway
from tests.fork_server import ForkServer
from tests.integration.web.console_site import Browser
from tests.paths import ROOT
from tests.ports import free_port
from tests.waiting import until

_DEPLOY: Final = ROOT / "deploy"
_LARGE: Final = "compose.yaml"
_SMALL: Final = "compose.small.yaml"
_EXAMPLES: Final = {_LARGE: ".env.example", _SMALL: ".env.small.example"}
_FILLED: Final = {
    _LARGE: {"ACCEPT_EULA": "Y", "NOTIFICATION_URL": "https://mail-in.example.com"},
    _SMALL: {"RECEIVER_NAME": "mail-in.example.com", "COMPOSE_PROFILES": "postgresql"},
}
_PASSWORD: Final = "correct horse battery staple"
_MB: Final = 1024 * 1024


@dataclass(frozen=True)
class Compose:
    """A compose file as an administrator has it after the steps of the README, rendered with all of its profiles."""

    folder: Path
    file: str
    services: Mapping[str, dict[str, Any]]
    networks: Mapping[str, dict[str, Any]]

    @property
    def ours(self) -> dict[str, dict[str, Any]]:
        """The services that run the project's image."""
        return {name: each for name, each in self.services.items() if each["image"].startswith("mail-importer")}

    @property
    def roles(self) -> dict[str, dict[str, Any]]:
        """The services that run a role."""
        return {name: each for name, each in self.ours.items() if (each.get("command") or [""])[0] == "run"}


def _example(file: str) -> dict[str, str]:
    """The example of a .env file, as Compose reads it."""
    lines = (_DEPLOY / _EXAMPLES[file]).read_text("utf-8").splitlines()
    assigned = [line.partition("=") for line in lines if line and not line.startswith("#")]
    return {name: "".join(shlex.split(value)) for name, _, value in assigned}


def _program(name: str) -> str:
    """A program of the dev dependencies, which not every platform has, or of the machine."""
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if found is None:
        pytest.skip(f"needs {name}")
    return found


def rendered(
    folder: Path, file: str, variables: Mapping[str, str] | None = None, *, more: Path | None = None
) -> Compose:
    """Render a file by Compose, with the example of its variables filled in; `more`: a file that overrides it."""
    values = _example(file) | _FILLED[file] | dict(variables or {})
    (folder / ".env").write_text("".join(f"{name}='{value}'\n" for name, value in values.items()), "utf-8")
    own = {name: value for name, value in os.environ.items() if not name.startswith(("COMPOSE_", "DOCKER_"))}
    command = [_program("docker-compose"), "--file", file]
    command += [*(("--file", str(more)) if more else ()), "config", "--format", "json"]
    found = subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, ""), found.stderr
    loaded = json.loads(found.stdout)
    return Compose(folder, file, loaded["services"], loaded["networks"])


def _copied(folder: Path) -> Path:
    """The folder of the deployment as Git has it."""
    kept = shutil.ignore_patterns(".env", "import", "certificates")
    shutil.copytree(_DEPLOY, folder / "deploy", ignore=kept)
    for path in _secret_files(folder / "deploy"):
        path.unlink()  # one made by hand
    return folder / "deploy"


def _secret_files(folder: Path) -> list[Path]:
    return [path for path in (folder / "secrets").rglob("*") if path.is_file() and path.name != ".gitignore"]


def _new_secrets(folder: Path, database: str) -> str:
    command = ["sh", str(folder / "new-secrets.sh"), database]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module", params=[_LARGE, _SMALL])
def compose(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Compose:
    folder = _copied(tmp_path_factory.mktemp("compose"))
    _new_secrets(folder, "sqlserver" if request.param == _LARGE else "postgresql")
    return rendered(folder, request.param)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Compose:
    folder = _copied(tmp_path_factory.mktemp("compose"))
    _new_secrets(folder, "sqlserver")
    return rendered(folder, _LARGE)


def test_there_is_a_container_for_each_role(large: Compose) -> None:
    """A missing role would leave the pipeline with a gap."""
    roles = {each["command"][1] for each in large.roles.values()}
    assert roles == {"receiver", "processor", "subscriptions", "delivery", "console"}
    assert large.services["processor"]["deploy"]["replicas"] == 3


@pytest.mark.parametrize("file", [_LARGE, _SMALL])
def test_every_variable_of_a_compose_file_is_explained(file: str) -> None:
    """The example has all of them with a comment, and no unused one."""
    used = set(re.findall(r"\$\{(\w+)", (_DEPLOY / file).read_text("utf-8")))
    assert {name for name in _example(file) if not name.startswith("COMPOSE_")} == used
    for block in (_DEPLOY / _EXAMPLES[file]).read_text("utf-8").strip().split("\n\n"):
        assert block.startswith("# "), block


@pytest.mark.parametrize(("file", "needed"), [(_LARGE, "ACCEPT_EULA"), (_SMALL, "RECEIVER_NAME")])
def test_a_compose_file_names_what_is_not_filled_in(file: str, needed: str, tmp_path: Path) -> None:
    """Copying a file accepts no agreement, and sets no name."""
    assert _example(file)[needed] == ""
    with pytest.raises(AssertionError, match=needed):
        rendered(_copied(tmp_path), file, {needed: ""})


def test_secrets_are_in_files_alone(compose: Compose) -> None:
    """No environment of ours has one, as `docker inspect` would show it; Microsoft's images know no other way."""
    lines = [line for path in _secret_files(compose.folder) for line in path.read_text("utf-8").splitlines()]
    contents = [line.partition("PASSWORD=")[2] or line for line in lines]
    assert len(contents) >= 2
    for name, service in compose.services.items():
        if "microsoft" not in service["image"]:
            environment = json.dumps(service.get("environment", {}))
            assert [each for each in contents if each in environment] == [], name
    assert not re.search(r"PASSWORD|SECRET|CONNECTION_STRING", " ".join(_example(compose.file)))


def test_each_service_has_settings_that_are_taken(
    compose: Compose, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its variables, and the files that it mounts as secrets: settings that exist, and valid."""
    for name, service in compose.ours.items():
        environment: dict[str, str] = service.get("environment", {})
        if not environment:
            continue
        folder = tmp_path / name
        folder.mkdir()
        for secret in service.get("secrets", []):
            source = compose.folder / "secrets" / "mail-importer" / secret["source"]
            shutil.copyfile(source, folder / Path(secret["target"]).name)
        if compose.file == _SMALL:
            shutil.copytree(compose.folder / "secrets" / "mail-importer", folder, dirs_exist_ok=True)
        known = {*Settings.model_fields, "secrets"}
        assert {key.removeprefix(PREFIX).lower() for key in environment if key.startswith(PREFIX)} <= known
        with monkeypatch.context() as patched:
            patched.chdir(tmp_path)
            for key, value in environment.items():
                patched.setenv(key, value)
            patched.setenv("MAIL_IMPORTER_SECRETS", str(folder))
            settings = load_settings()
        database = {_LARGE: "mssql", _SMALL: "postgresql"}[compose.file]
        assert settings.database_backend == ("sqlite" if name == "receiver" else database), name
        uses_queue = compose.file == _LARGE and name not in ("delivery", "database-upgrade")
        assert settings.queue == ("servicebus" if uses_queue else "database"), name


def test_override_of_the_readme_adds_secrets(large: Compose) -> None:
    """Beside those that a service has; their files need not exist where no service has them."""
    readme = (_DEPLOY / "README.md").read_text("utf-8")
    (text,) = re.findall(r"compose\.override\.yaml`:\n\n((?:    .*\n)+)", readme)
    override = large.folder / "compose.override.yaml"
    override.write_text(textwrap.dedent(text), "utf-8")
    added = rendered(large.folder, _LARGE, more=override)
    sources = {
        name: [each["source"] for each in service.get("secrets", [])] for name, service in added.services.items()
    }
    assert set(sources["subscriptions"]) >= {"certificate_password", "alerts", "client_state_secret", "database_url"}
    assert "certificate_password" not in sources["receiver"]
    assert {each for service in sources.values() for each in service} <= set(Settings.model_fields)


def test_caddyfile_has_the_form_that_caddy_gives_it() -> None:
    """Its effect is tested below."""
    text = (_DEPLOY / "caddy" / "Caddyfile").read_text("utf-8")
    command = [_program("caddy"), "fmt", "-"]
    assert subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout == text


def test_receiver_has_no_way_to_the_database(large: Compose) -> None:
    """It can be set up in a DMZ in this form: no setting of the database, no network in common with it."""
    receiver = large.services["receiver"]
    assert {each["source"] for each in receiver["secrets"]} == {"client_state_secret", "servicebus_connection_string"}
    assert not set(receiver["networks"]) & set(large.services["sqlserver"]["networks"])


def test_secrets_are_where_they_are_needed(large: Compose) -> None:
    """The key of notifications is for those that make and check it."""
    holders = {
        name
        for name, each in large.ours.items()
        if "client_state_secret" in {s["source"] for s in each.get("secrets", [])}
    }
    assert holders == {"receiver", "subscriptions"}
    assert [each["source"] for each in large.services["delivery"]["secrets"]] == ["database_url"]


def test_roles_start_after_what_they_need(compose: Compose) -> None:
    """The schema first, and the queue."""
    for name, service in compose.roles.items():
        needs = service["depends_on"]
        if name != "receiver":
            assert needs["database-upgrade"]["condition"] == "service_completed_successfully"
        if compose.file == _LARGE:
            assert needs["servicebus-ready"]["condition"] == "service_completed_successfully"
    assert compose.services["database-upgrade"]["restart"] == "no"


def test_containers_may_do_little(compose: Compose) -> None:
    """No writable root, no capability, no more memory and processes than given, and time to stop in."""
    for name, service in compose.services.items():
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["logging"] == {"driver": "local"}, name
        if "microsoft" not in service["image"]:
            assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"]), name
        if service["restart"] != "no":
            limits = service["deploy"]["resources"]["limits"]
            assert int(limits["memory"]) >= 256 * _MB, name
            assert limits["pids"] >= 100, name
    for name, service in compose.roles.items():
        assert service["restart"] == "unless-stopped", name
        assert int(service["stop_grace_period"].removesuffix("s")) > 10, name
        assert service["tmpfs"], name
        assert "cap_add" not in service, name


def test_every_service_is_checked_or_says_why_not(compose: Compose) -> None:
    """A role by its own health, which covers its database and queue; what ends by itself is not."""
    for name, service in compose.services.items():
        if name in compose.roles:
            assert "127.0.0.1:9464/health/ready" in service["healthcheck"]["test"][-1], name
        else:
            assert service["healthcheck"].get("disable", False) != ("test" in service["healthcheck"]), name


def test_the_host_opens_nothing_but_caddy_to_others(compose: Compose) -> None:
    """Everything else is for programs of the host itself."""
    opened = {
        (name, port["published"])
        for name, service in compose.services.items()
        for port in service.get("ports", [])
        if port.get("host_ip") != "127.0.0.1"
    }
    assert opened == (set() if compose.file == _LARGE else {("caddy", "80"), ("caddy", "443")})


def test_images_of_others_have_a_version(compose: Compose) -> None:
    for name, service in compose.services.items():
        if name not in compose.ours:
            assert re.search(r":[\w.-]*\d[\w.-]*$", service["image"]), service["image"]


def test_console_believes_its_proxy_and_no_other_address(compose: Compose) -> None:
    """The proxy's address is fixed, and no container gets it by chance."""
    (role,) = (each for each in compose.roles.values() if each["command"][1] in ("console", "all"))
    proxy = ipaddress.ip_address(role["environment"]["MAIL_IMPORTER_CONSOLE_PROXIES"])
    name = {_LARGE: "browsers", _SMALL: "front"}[compose.file]
    assert name in role["networks"]
    (pool,) = compose.networks[name]["ipam"]["config"]
    network = ipaddress.ip_network(pool["subnet"])
    assert proxy in network
    if compose.file == _LARGE:
        assert str(proxy) == pool["gateway"]  # the host's own, of the port that it publishes
    else:
        assert compose.services["caddy"]["networks"][name]["ipv4_address"] == str(proxy)
        assert compose.networks[name]["internal"]
        handed_out = ipaddress.ip_network(pool["ip_range"])
        assert proxy not in handed_out
        assert set(handed_out) <= set(network)


def test_files_that_a_compose_file_mounts_exist(compose: Compose) -> None:
    """Docker would make a folder of that name, and the service would fail with its own error."""
    made_by_hand = {"import", "certificates"}
    for service in compose.services.values():
        for volume in service.get("volumes", []):
            source = Path(volume["source"])
            if volume["type"] == "bind" and source.name not in made_by_hand:
                assert (_DEPLOY / source.relative_to(compose.folder)).exists(), source
        for secret in service.get("secrets", []):
            assert list((compose.folder / "secrets").rglob(secret["source"])), secret


@pytest.mark.parametrize("database", ["sqlserver", "postgresql"])
def test_secrets_are_made_once(database: str, tmp_path: Path) -> None:
    """Others of the host cannot read them, user id 10001 in a container can; the next run keeps them."""
    folder = _copied(tmp_path)
    _new_secrets(folder, database)
    secrets = folder / "secrets"
    made = {path: path.read_bytes() for path in _secret_files(folder)}
    assert secrets.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in made} == {0o644}
    url = make_url((secrets / "mail-importer" / "database_url").read_text("utf-8").strip())
    text = b" ".join(made.values()).decode()
    assert text.count(url.password or "?") == 2  # the server's and ours
    for kind in ("[a-z]", "[A-Z]", "[0-9]", "^.{16,128}$"):  # SQL Server wants three kinds
        assert re.search(kind, str(url.password))
    _new_secrets(folder, database)
    assert {path: path.read_bytes() for path in made} == made
    assert len(set(made.values())) == len(made)


# The small site, as processes


@contextmanager
def _caddy(folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Caddy as the image runs it, with its data in the folder."""
    command = [_program("caddy"), "run", "--config", str(_DEPLOY / "caddy" / "Caddyfile"), "--adapter", "caddyfile"]
    data = {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "HOME": str(folder)}
    with (folder / "caddy.log").open("wb") as log:
        process = subprocess.Popen(command, env={**data, **environment}, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


@dataclass(frozen=True)
class SmallSite:
    """The services of the small compose file as processes of this host."""

    site: Site
    compose: Compose
    receiver: str
    console: str
    ca_file: Path

    def client(self, address: str = "127.0.0.1") -> aiohttp.ClientSession:
        """A client at an address of this host, which trusts the authority of Caddy."""
        context = ssl.create_default_context(cafile=str(self.ca_file))
        connector = aiohttp.TCPConnector(ssl=context, local_addr=(address, 0))
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

    def command(self, service: str) -> list[str]:
        """The program of a service."""
        command: list[str] = self.compose.services[service]["command"]
        return command


@pytest.fixture
async def small_site(
    tmp_path: Path, fork_server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[SmallSite]:
    """The small site before its first start, with Caddy in front; names and ports are of this host."""
    ports = {name: free_port() for name in ("receiver", "console", "http", "receiver_own", "console_own", "metrics")}
    compose = rendered(
        _copied(tmp_path),
        _SMALL,
        {
            "RECEIVER_NAME": f"localhost:{ports['receiver']}",
            "CONSOLE_URL": f"https://localhost:{ports['console']}",
            "CADDY_OPTIONS": f"http_port {ports['http']}",
            "COMPOSE_PROFILES": "",
        },
    )
    assert "postgresql" not in compose.services
    upstreams = {
        "RECEIVER_UPSTREAM": f"127.0.0.1:{ports['receiver_own']}",
        "CONSOLE_UPSTREAM": f"127.0.0.1:{ports['console_own']}",
    }
    caddy = tmp_path / "caddy"
    caddy.mkdir()
    ca_file = caddy / "caddy" / "pki" / "authorities" / "local" / "root.crt"
    data = tmp_path / "data"
    data.mkdir()
    with _caddy(caddy, compose.services["caddy"]["environment"] | upstreams):

        async def has_certificates() -> bool:
            return ca_file.exists() and len(list(caddy.rglob("localhost.crt"))) == 1

        await until(has_certificates, "certificates of Caddy")
        # The simulator stands for Microsoft: it checks the certificate.
        monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
        simulator, ready = start_simulator(fork_server, tmp_path / "simulator", 1)
        async with SimulatorControl(ready["url"], Path(ready["ca_file"])) as control:
            site = Site(data, ready, control, fork_server)
            site.gateway = Gateway(f"sqlite:///{data / 'mail-importer.db'}")
            site.settings = compose.services["mail-importer"]["environment"] | {
                "MAIL_IMPORTER_DATABASE_URL": "",
                "MAIL_IMPORTER_SECRETS": str(compose.folder / "secrets" / "mail-importer"),
                "MAIL_IMPORTER_CERTIFICATE_STORE": str(data / "certificates"),
                "MAIL_IMPORTER_DELIVERY_ROOTS": str(tmp_path),
                "MAIL_IMPORTER_RECEIVER_PORT": str(ports["receiver_own"]),
                "MAIL_IMPORTER_CONSOLE_PORT": str(ports["console_own"]),
                "MAIL_IMPORTER_METRICS_PORT": str(ports["metrics"]),
            }
            receiver, console = (f"https://localhost:{ports[name]}" for name in ("receiver", "console"))
            try:
                yield SmallSite(site, compose, receiver, console, ca_file)
            finally:
                site.close()
                simulator.kill()
                simulator.wait(10)


@pytest.mark.slow
async def test_small_site_from_nothing_to_the_first_mail(small_site: SmallSite) -> None:
    """The steps of the README; notifications, and nothing else of the receiver, come in through Caddy."""
    site = small_site.site
    upgraded = site.call(*small_site.command("database-upgrade"))
    assert upgraded.returncode == 0, upgraded.stderr
    running = site.start(*small_site.command("mail-importer"))
    await _is_healthy(small_site)
    _add_account(site)
    _add_user(site)
    await site.subscribed()  # by a validation through Caddy, whose certificate the simulator checked

    async with small_site.client() as client, small_site.client("127.0.0.2") as browser:
        await _receiver_is_all_that_is_reached(small_site, client)
        user = Browser(small_site.console, browser, {"language": "en"})
        await _sign_ins_have_the_browsers_address(user, Path(site.directory) / "run-all-0.log")
        await _events_come_as_they_happen(site, user)
        await site.imported_once(3)

        assert stop(running) < 10
        await _answers_while_the_receiver_is_away(small_site, client)


async def _is_healthy(small_site: SmallSite) -> None:
    """Run the health check of the compose file, and that of the image."""
    _, *check = small_site.compose.services["mail-importer"]["healthcheck"]["test"]
    check[-1] = check[-1].replace(":9464/", f":{small_site.site.settings['MAIL_IMPORTER_METRICS_PORT']}/")

    async def passes() -> bool:
        checking = await asyncio.create_subprocess_exec(sys.executable, *check[1:], stderr=asyncio.subprocess.DEVNULL)
        return await checking.wait() == 0

    await until(passes, "the container is healthy", pause=0.5)
    (of_image,) = re.findall(r"^  CMD (\[.*\])$", (_DEPLOY / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    check = json.loads(of_image)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MAIL_IMPORTER_METRICS_PORT", small_site.site.settings["MAIL_IMPORTER_METRICS_PORT"])
        assert await passes()


def _add_account(site: Site) -> None:
    made = site.call("certificates", "new", "--subject", "small-site", "--json")
    assert made.returncode == 0, made.stderr
    site.upload()
    (mailbox,) = site.ready["mailboxes"]
    added = site.call(
        *("accounts", "add", "--test", "--name", "laboratory", "--tenant-id", site.ready["tenant_id"]),
        *("--client-id", site.ready["client_id"], "--user-id", mailbox["user_id"]),
        *("--thumbprint", json.loads(made.stdout)["thumbprint"], "--no-secure-certificate-access"),
        SSL_CERT_FILE=os.environ["SSL_CERT_FILE"],
    )
    assert added.returncode == 0, added.stdout + added.stderr
    assert len(site.rows(select(account_settings.c.nAccountID))) == 1


def _add_user(site: Site) -> None:
    with tempfile.TemporaryFile("w+") as typed:
        typed.write(_PASSWORD + "\n")
        typed.seek(0)
        command = ("-m", "console", "console", "users", "add", "marie", "--role", "Administrator", "--password-stdin")
        process = site.server.start(*command, env=site.environment, cwd=site.directory, stdin=typed)
        assert process.wait(60) == 0


async def _receiver_is_all_that_is_reached(small_site: SmallSite, client: aiohttp.ClientSession) -> None:
    notifications = f"{small_site.receiver}/notifications"
    async with client.post(notifications, params={"validationToken": "a b+c"}) as answer:
        assert (answer.status, await answer.text()) == (200, "a b+c")
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert "Server" not in answer.headers
    async with client.post(notifications, data=b"no collection") as answer:
        assert answer.status == 400
    async with client.post(notifications, data=io.BytesIO(b" " * (_MB + 1))) as answer:
        assert answer.status == 413
    # As curl sends it with --path-as-is; Caddy resolves it before it decides.
    for path in ("/", "/metrics", "/health/live", "/health/ready", "/notifications/../health/ready", "/overview"):
        url = URL(small_site.receiver + path, encoded=True)
        async with client.get(url) as answer:
            assert answer.status == 404, path
            assert await answer.read() == b""
    plain = small_site.receiver.replace("https://", "http://")
    async with client.get(plain) as answer:
        assert answer.status == 400  # no TLS, no answer of the receiver


def _logged(log: Path, event: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text("utf-8").splitlines() if f'"{event}"' in line]


async def _sign_ins_have_the_browsers_address(user: Browser, log: Path) -> None:
    """Not that of Caddy, and not one that the browser makes up."""
    await user.get("/sign-in")
    fields = {"name": "marie", "password": "wrong", "next": "/"}
    refused = await user.post("/sign-in", fields, X_Forwarded_For="203.0.113.9")
    assert refused.status == 401
    assert [each["address"] for each in _logged(log, "console_sign_in_failed")] == ["127.0.0.2"]
    accepted = await user.sign_in("marie", _PASSWORD)
    assert accepted.status == 303
    assert accepted.headers["Strict-Transport-Security"]
    assert "Server" not in accepted.headers


async def _events_come_as_they_happen(site: Site, user: Browser) -> None:
    """Mail arrives while the stream is open: its event comes through Caddy before the stream ends, after minutes."""
    cookie = "; ".join(f"{name}={value}" for name, value in user.cookies.items())
    async with user.session.get(f"{user.url}/overview/events", headers={"Cookie": cookie}) as stream:
        assert (stream.status, stream.content_type) == (200, "text/event-stream")
        await site.control.start_traffic(3, per_second=30)
        async with asyncio.timeout(30):
            async for line in stream.content:
                if line == b"event: changed\n":
                    break
        assert not stream.content.at_eof()


async def _answers_while_the_receiver_is_away(small_site: SmallSite, client: aiohttp.ClientSession) -> None:
    """Graph is told when to come again: by Caddy, or by the receiver's own answer, unchanged."""
    notifications = f"{small_site.receiver}/notifications"
    async with client.post(notifications, data=b"{}") as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
    seen: list[str | None] = []

    async def full(request: web.BaseRequest) -> web.Response:
        seen.extend(request.headers.get(f"X-Forwarded-{name}") for name in ("For", "Proto", "Host"))
        return web.Response(status=503, headers={"Retry-After": "17"})

    runner = web.ServerRunner(web.Server(full))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", int(small_site.site.settings["MAIL_IMPORTER_RECEIVER_PORT"])).start()
        forged = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example"}
        async with client.post(notifications, data=b"{}", headers=forged) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "17")
    finally:
        await runner.cleanup()
    assert seen == ["127.0.0.1", "https", small_site.receiver.removeprefix("https://")]
