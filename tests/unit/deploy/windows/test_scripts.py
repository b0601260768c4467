"""The scripts for Windows Server. No PowerShell runs here: its grammar and Microsoft's reference hold them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from tree_sitter import Node

from console.main import COMMANDS
from console.service.installation import environment_of
from console.service.names import SERVICES
from tests import powershell
from tests.paths import ROOT
from tests.powershell import FOLDER, SCRIPTS, text, walk
from tests.unit.docs.test_documents import DOCUMENTS
from tests.unit.test_references import problem

INSTALLATION: Final = FOLDER / "installation.ps1"
LOADED: Final = {"steps.ps1", "installation.ps1"}
"""The functions that others load."""
CHANGING: Final = [path for path in SCRIPTS if path.name not in {*LOADED, "verify-store.ps1"}]
of_each = pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
of_each_that_changes = pytest.mark.parametrize("path", CHANGING, ids=lambda path: path.name)

CMDLETS: Final = {
    "ConvertFrom-Json": "",
    "ForEach-Object": "",
    "Get-Acl": "LiteralPath",
    "Get-ChildItem": "File Filter LiteralPath",
    "Get-CimInstance": "ClassName Filter",
    "Get-Command": "CommandType ErrorAction",
    "Get-Content": "Encoding LiteralPath Raw",
    "Get-Date": "",
    "Get-Item": "LiteralPath",
    "Get-Module": "ListAvailable Name",
    "Get-NetFirewallPortFilter": "",
    "Get-NetFirewallRule": "ErrorAction Name",
    "Get-Service": "Name",
    "Get-WindowsFeature": "Name",
    "Install-ADServiceAccount": "Identity",
    "Install-WindowsFeature": "IncludeManagementTools Name",
    "Join-Path": "",
    "Move-Item": "Destination LiteralPath",
    "New-Item": "Force ItemType Path",
    "New-ItemProperty": "Force LiteralPath Name PropertyType Value",
    "New-NetFirewallRule": "Action Direction DisplayName LocalPort Name Protocol",
    "New-SelfSignedCertificate": (
        "CertStoreLocation KeyAlgorithm KeyExportPolicy KeyLength KeyUsage NotAfter Provider Subject"
    ),
    "New-TemporaryFile": "",
    "Out-Host": "",
    "Out-String": "",
    "Pop-Location": "",
    "Push-Location": "LiteralPath",
    "Remove-Item": "Confirm DeleteKey Force LiteralPath Recurse",
    "Remove-ItemProperty": "LiteralPath Name",
    "Remove-NetFirewallRule": "ErrorAction Name",
    "Resolve-Path": "LiteralPath",
    "Select-Object": "Skip Unique",
    "Set-Content": "Encoding LiteralPath Value",
    "Set-StrictMode": "Version",
    "Split-Path": "Leaf",
    "Start-Process": "ArgumentList FilePath PassThru Wait",
    "Start-Sleep": "Milliseconds",
    "Stop-Service": "Name",
    "Test-ADServiceAccount": "Identity WarningAction",
    "Test-Path": "LiteralPath PathType",
    "Where-Object": "",
    "Write-Host": "",
    "Write-Information": "InformationAction",
    "Write-Verbose": "",
}
"""The cmdlets and parameters in use, each found in Microsoft's reference of Windows PowerShell 5.1 and PowerShell 7.6,
or of the modules of Windows Server 2019. A new one belongs here after it was found there."""

AUTOMATIC: Final = frozenset(
    {"_", "true", "false", "null", "Matches", "LASTEXITCODE", "PSCmdlet", "PSScriptRoot", "WhatIfPreference"}
)


_LOADS: Final = re.compile(r"^\. \(Join-Path \$PSScriptRoot '([\w.-]+)'\)$", re.MULTILINE)


def parts(path: Path) -> list[Path]:
    """Return a script and those that it loads, which load others in turn; the innermost first."""
    inner = [part for name in _LOADS.findall(path.read_text("utf-8")) for part in parts(FOLDER / name)]
    return [*inner, path]


def loaded(path: Path) -> dict[str, Node]:
    """Return the functions that a script can call: its own, and those that it loads."""
    return {name: node for part in parts(path) for name, node in powershell.functions(powershell.script(part)).items()}


def test_scripts_load_the_functions_of_others() -> None:
    assert [part.name for part in parts(FOLDER / "install.ps1")] == ["steps.ps1", "installation.ps1", "install.ps1"]
    assert [part.name for part in parts(FOLDER / "iis.ps1")] == ["steps.ps1", "iis.ps1"]


@of_each
def test_script_is_powershell(path: Path) -> None:
    assert powershell.errors(powershell.script(path)) == []


@pytest.mark.parametrize(
    "source", ["if ($a) { Get-Item", "Get-Item )", "$a = @('x'", "function Get-X { param([string) }"]
)
def test_wrong_powershell_is_found(source: str) -> None:
    assert powershell.errors(powershell.parse(source)) != []


def test_blocks_of_documents_are_powershell() -> None:
    blocks = [(document.name, block) for document in DOCUMENTS for block in powershell.blocks(document)]
    assert len(blocks) > 20
    wrong = [(name, found) for name, block in blocks if (found := powershell.errors(powershell.parse(block)))]
    assert wrong == []


@of_each
def test_script_is_strict_and_has_help(path: Path) -> None:
    source = path.read_text("utf-8")
    statements = [line.strip() for line in source.splitlines()]
    assert any(line.startswith("Set-StrictMode -Version") for line in statements)
    assert "$ErrorActionPreference = 'Stop'" in statements
    assert ".SYNOPSIS" in source
    documented = {f"${found}" for found in re.findall(r"^\.PARAMETER (\w+)$", source, re.MULTILINE)}
    assert documented == set(powershell.parameters(powershell.script(path)))


@of_each_that_changes
def test_script_that_changes_something_takes_whatif(path: Path) -> None:
    source = path.read_text("utf-8")
    assert source.startswith("#Requires -Version 5.1\n#Requires -RunAsAdministrator\n")
    assert re.search(r"^\[CmdletBinding\(SupportsShouldProcess\b", source, re.MULTILINE)


@of_each
def test_commands_exist_with_their_parameters(path: Path) -> None:
    """A misspelt cmdlet, function or parameter fails only when its line is reached, which may be in an emergency."""
    known = loaded(path)
    wrong = []
    for command in powershell.commands(powershell.script(path)):
        name, given = powershell.name(command), powershell.named_parameters(command)
        if not re.fullmatch(r"[A-Z]\w+-\w+", name):
            continue
        if name in known:
            allowed = {parameter.lstrip("$") for parameter in powershell.parameters(known[name])}
        else:
            allowed = set(CMDLETS.get(name, "").split())
        if name not in known and name not in CMDLETS:
            wrong.append(f"{name} is unknown")
        wrong += [f"{name} has no {each}" for each in given if each.lstrip("-") not in allowed]
    assert wrong == []


@of_each
def test_functions_get_no_more_arguments_than_they_have_parameters(path: Path) -> None:
    known = loaded(path)
    wrong = []
    for command in powershell.commands(powershell.script(path)):
        function = known.get(powershell.name(command))
        if function is None:
            continue
        given = [each for each in powershell.elements(command) if each.type not in {"command_parameter", "redirection"}]
        switches = [each for each in powershell.named_parameters(command) if each == "-FromIndex"]
        if len(given) > len(powershell.parameters(function)) + len(switches):
            wrong.append(text(command))
    assert wrong == []


@of_each
def test_variables_are_set_before_they_are_used(path: Path) -> None:
    """Under Set-StrictMode an unknown variable ends the script."""
    root = powershell.script(path)
    known = {each.lower() for part in parts(path) for each in _assigned(powershell.script(part))}
    known |= {each.lower() for each in AUTOMATIC}
    if path == INSTALLATION:
        known |= {"programfolder", "datafolder"}  # parameters of the script that loads it
    used = {_variable(node) for node in walk(root) if node.type == "variable"}
    assert {each for each in used if each.lower() not in known and ":" not in each} == set()


def _variable(node: Node) -> str:
    return text(node).lstrip("$@").strip("{}")


def _assigned(root: Node) -> Iterator[str]:
    for node in walk(root):
        if node.type in {"left_assignment_expression", "script_parameter"}:
            yield from (_variable(each) for each in walk(node) if each.type == "variable")
        elif node.type == "foreach_statement":
            yield from (_variable(each) for each in node.children if each.type == "variable")


@of_each
def test_exit_status_of_programs_is_checked(path: Path) -> None:
    """PowerShell goes on after a program that failed: each call is in a function that reads $LASTEXITCODE."""
    unchecked = []
    for command in powershell.commands(powershell.script(path)):
        called = powershell.name(command)
        if not called.startswith("$") or called in {"$IsDone", "$Action", "$Check", "$shown"}:
            continue
        function = powershell.enclosing(command, "function_statement")
        if function is None or "$LASTEXITCODE" not in text(function):
            unchecked.append(text(command))
    by_name = [
        text(each)
        for each in powershell.commands(powershell.script(path))
        if not re.fullmatch(r"\$\w+|[A-Z]\w+-\w+|Step|\(Join-Path .*", powershell.name(each), re.DOTALL)
    ]  # Step is a function of verify-store.ps1
    assert (unchecked, by_name) == ([], [])


SECRET: Final = re.compile(r"password|secret|credential|connection_?string|database_?url|pfx", re.IGNORECASE)


@of_each
def test_no_secret_is_a_parameter_or_printed(path: Path) -> None:
    root = powershell.script(path)
    assert [each for each in powershell.parameters(root) if SECRET.search(each)] == []
    variables = [
        _variable(node)
        for command in powershell.commands(root)
        if powershell.name(command) in {"Write-Host", "Write-Report", "Out-Host", "Write-Information", "Write-Verbose"}
        for node in walk(command)
        if node.type == "variable"
    ]
    assert [each for each in variables if SECRET.search(each)] == []
    assert "AsPlainText" not in path.read_text("utf-8")


# What -WhatIf promises.

_CHANGES: Final = re.compile(r"^(New|Set|Remove|Move|Stop|Start|Install|Restore|Invoke)-")
_HARMLESS: Final = frozenset({"Set-StrictMode", "Start-Sleep", "Invoke-Step"})
_READS: Final = (
    ["config", "check"],
    ["status"],
    ["service", "status", "X"],
)
"""The calls of mail-importer that change nothing."""


def _unguarded(node: Node, known: dict[str, Node], seen: frozenset[str]) -> Iterator[str]:
    """Return the commands that change something and run under -WhatIf, when this node runs."""
    if node.type == "function_statement":
        return
    if node.type == "command":
        yield from _unguarded_command(node, known, seen)
        return
    for child in node.children:
        yield from _unguarded(child, known, seen)
        if child.type == "if_statement" and re.search(r"ShouldProcess\(|if \(\$WhatIfPreference\)", text(child)):
            return  # what follows is reached without -WhatIf only


def _unguarded_command(command: Node, known: dict[str, Node], seen: frozenset[str]) -> Iterator[str]:
    called = powershell.name(command)
    if called in known and called not in _HARMLESS | {"Invoke-Native", "Invoke-Importer"}:
        if called not in seen:
            body = next(each for each in known[called].children if each.type == "script_block")
            yield from _unguarded(body, known, seen | {called})
    elif (
        _CHANGES.match(called)
        and called not in _HARMLESS
        and list(powershell.lists_of_words(command)) not in ([list(each)] for each in _READS)
    ):
        yield text(command)
    action = False
    for element in powershell.elements(command):
        if element.type == "command_parameter":
            action = text(element) == "-Action"
        elif not action:
            yield from _unguarded(element, known, seen)


@of_each_that_changes
def test_whatif_changes_nothing(path: Path) -> None:
    """Whatever changes something is an -Action of Invoke-Step, or comes after the script asked ShouldProcess."""
    assert list(_unguarded(powershell.script(path), loaded(path), frozenset())) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("Remove-Item x", ["Remove-Item x"]),
        ("function Get-X { Move-Item a b }\nif ($a) { Get-X }", ["Move-Item a b"]),
        ("Invoke-Step 'a' 'b' -IsDone { Remove-Item x } -Action { New-Item y }", ["Remove-Item x"]),
        ("if (-not $PSCmdlet.ShouldProcess('a')) { return }\nRemove-Item x", []),
        (
            "Invoke-Importer @('config', 'check')\nInvoke-Importer @('db', 'upgrade')",
            ["Invoke-Importer @('db', 'upgrade')"],
        ),
    ],
)
def test_unguarded_change_is_found(source: str, found: list[str]) -> None:
    root = powershell.parse(source)
    assert list(_unguarded(root, powershell.functions(root), frozenset())) == found


# The command line of mail-importer.


@of_each
def test_calls_of_mail_importer_exist(path: Path) -> None:
    calls = [
        words for words in powershell.lists_of_words(powershell.script(path)) if words[0] in {*COMMANDS, "service"}
    ]
    assert [found for words in calls if (found := problem(words)) is not None] == []


GUIDES: Final = (ROOT / "docs" / "windows.md", ROOT / "docs" / "fr" / "windows.md")


def test_guides_show_the_same_commands_in_both_languages() -> None:
    english, french = (powershell.blocks(guide) for guide in GUIDES)
    assert len(english) > 10
    assert english == french


def test_guides_name_scripts_and_parameters_that_exist() -> None:
    wrong = []
    for document in GUIDES:
        for block in powershell.blocks(document):
            for command in powershell.commands(powershell.parse(block)):
                path = FOLDER / powershell.name(command).rpartition("\\")[2]
                if path.suffix != ".ps1":
                    continue
                assert path.is_file(), path
                known = {each.lstrip("$") for each in powershell.parameters(powershell.script(path))} | {"WhatIf"}
                given = [each.lstrip("-") for each in powershell.named_parameters(command)]
                wrong += [f"{path.name} -{each}" for each in given if each not in known]
    assert wrong == []


# What a second run keeps of the first.


def test_services_have_the_names_and_variables_of_the_product() -> None:
    """Else the scripts would not find an installed service, its account or its port."""
    source = INSTALLATION.read_text("utf-8")
    table = dict(re.findall(r"^    (\w+) += '(MailImporter\w*)'$", source, re.MULTILINE))
    assert table == {role: service.key for role, service in SERVICES.items()}
    variables = environment_of(Path("mail-importer.toml"), None, 9465)
    assert "MAIL_IMPORTER_METRICS_PORT" in variables
    assert "'MAIL_IMPORTER_METRICS_PORT='" in (FOLDER / "install.ps1").read_text("utf-8")


def test_another_role_neither_takes_rights_nor_a_port_of_installed_services() -> None:
    functions = powershell.functions(powershell.script(FOLDER / "install.ps1"))

    def called(name: str) -> set[str]:
        return {powershell.name(command) for command in powershell.commands(functions[name])}

    assert called("Get-OtherRole") >= {"Get-ImporterService"}
    assert "$ServiceNames.Keys" in text(functions["Get-OtherRole"])
    for lists_all_services in ("Get-ServiceSid", "Get-FreePort"):
        assert "Get-OtherRole" in called(lists_all_services)
    for grants in ("Get-Access", "Install-KeyRight"):
        assert "Get-ServiceSid" in called(grants)
    assert "Get-FreePort" in called("Install-Service")
