#Requires -Version 5.1
<#
.SYNOPSIS
An installation of mail-importer: its places, programs and services, for install.ps1, upgrade.ps1 and uninstall.ps1, which
load this file; by itself it does nothing.

.DESCRIPTION
The script that loads it has the parameters -ProgramFolder and -DataFolder. Loaded with a dot, as steps.ps1.
#>
Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'
. (Join-Path $PSScriptRoot 'steps.ps1')

$venv = Join-Path $ProgramFolder 'venv'
$venvPython = Join-Path $venv 'Scripts\python.exe'
$Importer = Join-Path $venv 'Scripts\mail-importer.exe'
$settingsFile = Join-Path $DataFolder 'mail-importer.toml'

# The Windows service of each role, as `mail-importer service install` names it.
$ServiceNames = [ordered] @{
    all           = 'MailImporter'
    receiver      = 'MailImporterReceiver'
    processor     = 'MailImporterProcessor'
    subscriptions = 'MailImporterSubscriptions'
    delivery      = 'MailImporterDelivery'
    console       = 'MailImporterConsole'
}
$EventSourceKey = 'HKLM:\SYSTEM\CurrentControlSet\Services\EventLog\Application\mail-importer'

# Python and the programs.

function Find-Python {
    # The full path of a Python that a service account can run: 3.11 or newer, 64 bits, installed for all users.
    param([string] $Python)
    $code = 'import json, struct, sys; print(json.dumps([sys.version_info[0] * 100 + sys.version_info[1], ' +
        'struct.calcsize(''P'') * 8, sys.executable]))'
    $candidates = @(
        if ($Python) { , @($Python) } else { , @('py.exe', '-3'); , @('python.exe'); , @('python3.exe') }
    )
    $reasons = @()
    foreach ($candidate in $candidates) {
        $program = $candidate[0]
        if (-not (Get-Command $program -CommandType Application -ErrorAction SilentlyContinue)) {
            $reasons += "$program is not there"
            continue
        }
        $result = Get-NativeOutput $program (@($candidate | Select-Object -Skip 1) + @('-c', $code))
        if ($result.Status -ne 0) {
            $reasons += "$program does not start Python"
            continue
        }
        $version, $bits, $path = $result.Printed | ConvertFrom-Json
        if ($version -lt 311) { $reasons += "$path is older than 3.11" }
        elseif ($bits -ne 64) { $reasons += "$path has $bits bits, not 64" }
        elseif ($path -like '*\WindowsApps\*' -or $path -like "$env:SystemDrive\Users\*") {
            $reasons += "$path belongs to one user, and the service could not run it"
        } elseif (Test-WritableByUser $path) {
            $reasons += "$path can be changed by ordinary users, who would get the rights of the service"
        } else { return $path }
    }
    throw "No suitable Python: $($reasons -join '; '). Install Python 3.11 or newer (64 bits) for all users, or name it by -Python."
}

function Get-Release {
    # The wheel of mail-importer in a folder, its version, and the lock file of its dependencies.
    param([Parameter(Mandatory)] [string] $WheelFolder)
    $wheels = @(Get-ChildItem -LiteralPath $WheelFolder -Filter 'mail_importer-*.whl' -File)
    $lock = Join-Path $WheelFolder 'requirements.lock'
    if ($wheels.Count -ne 1) { throw "$WheelFolder has $($wheels.Count) files mail_importer-*.whl; it must have one." }
    if (-not (Test-Path -LiteralPath $lock)) { throw "$lock is missing: copy requirements.lock of the same version there." }
    [pscustomobject] @{
        Folder  = (Resolve-Path -LiteralPath $WheelFolder).ProviderPath.TrimEnd('\')
        Wheel   = $wheels[0].FullName
        Lock    = (Resolve-Path -LiteralPath $lock).ProviderPath
        Version = ($wheels[0].BaseName -split '-')[1]
    }
}

function Get-PipArgument {
    # The arguments of pip that install the locked dependencies: from the folder alone, or from the index of pip's settings.
    param([Parameter(Mandatory)] $Release, [switch] $FromIndex)
    $arguments = @('-m', 'pip', 'install', '--disable-pip-version-check', '--no-input', '--no-warn-script-location')
    $arguments += @('--only-binary', ':all:', '--require-hashes', '--requirement', $Release.Lock)
    if (-not $FromIndex) { $arguments += @('--no-index', '--find-links', $Release.Folder) }
    $arguments
}

function Install-Release {
    # Installs a release into a virtual environment whose Python is given.
    param([Parameter(Mandatory)] [string] $VenvPython, [Parameter(Mandatory)] $Release, [switch] $FromIndex)
    Invoke-Native $VenvPython (Get-PipArgument $Release -FromIndex:$FromIndex)
    $own = @('-m', 'pip', 'install', '--disable-pip-version-check', '--no-input', '--no-warn-script-location')
    Invoke-Native $VenvPython ($own + @('--no-index', '--no-deps', $Release.Wheel))
    Invoke-Native $VenvPython @('-m', 'pip', 'check')
}

function Get-InstalledVersion {
    # The version of mail-importer in a virtual environment; nothing if there is none.
    param([Parameter(Mandatory)] [string] $VenvPython)
    if (-not (Test-Path -LiteralPath $VenvPython)) { return }
    $code = 'import importlib.metadata; print(importlib.metadata.version(''mail-importer''))'
    $result = Get-NativeOutput $VenvPython @('-c', $code)
    if ($result.Status -eq 0) { $result.Printed.Trim() }
}

# mail-importer. Relative paths of the settings begin at the data folder, for the service as well.

function Get-WorkingFolder {
    if (Test-Path -LiteralPath $DataFolder) { $DataFolder } else { '' }
}

function Get-ImporterOutput([string[]] $Arguments) {
    Get-NativeOutput $Importer $Arguments (Get-WorkingFolder)
}

function Invoke-Importer([string[]] $Arguments) {
    Invoke-Native $Importer $Arguments (Get-WorkingFolder)
}

function Get-ImporterSetting {
    # The settings by their names, as the product reads them; the values of secrets are not among them.
    $result = Get-ImporterOutput @('config', 'show', '--json')
    if ($result.Status -ne 0) { throw "The settings are wrong: $($result.Reported)" }
    $settings = @{}
    foreach ($row in ($result.Printed | ConvertFrom-Json)) { $settings[$row.setting] = $row }
    $settings
}

function Assert-Schema {
    # Ends the script if programs of this version would not start on the schema. Without access to the database nobody knows.
    $result = Get-ImporterOutput @('db', 'current', '--json')
    if ($result.Status -eq 0) { return }
    if (-not $result.Printed) {
        Write-Report 'skipped' "Nothing checked the schema of the gateway database: $($result.Reported)"
        return
    }
    throw "$($result.Reported) With -SkipDatabase the administrator of the database runs the script of this version first " +
        '(mail-importer db upgrade --sql): docs/windows.md.'
}

# Services.

function Get-ImporterService([string] $Role) {
    Get-CimInstance -ClassName Win32_Service -Filter "Name = '$($ServiceNames[$Role])'"
}

function Get-ServiceAccount([string] $Role, [string] $Account) {
    if ($Account) { $Account } else { "NT SERVICE\$($ServiceNames[$Role])" }
}

function Get-ServiceKey([string] $Role) {
    "HKLM:\SYSTEM\CurrentControlSet\Services\$($ServiceNames[$Role])"
}

function Get-ServiceEnvironment([string] $Role) {
    # The variables that Windows gives to this service alone, NAME=VALUE.
    @((Get-Item -LiteralPath (Get-ServiceKey $Role)).GetValue('Environment') | Where-Object { $_ })
}

function Install-ImporterService {
    # Without an account: the virtual one of the service. Without a port: metrics_port of the settings.
    param([Parameter(Mandatory)] [string] $Role, [string] $Account, [string] $MetricsPort)
    $log = Join-Path $DataFolder "logs\$Role.log"
    $arguments = @('service', 'install', $Role, '--config', $settingsFile, '--log-file', $log)
    if ($Account) { $arguments += @('--account', $Account) }
    if ($MetricsPort) { $arguments += @('--metrics-port', $MetricsPort) }
    Invoke-Importer $arguments
}

function Test-Running([string] $Role) {
    $service = Get-ImporterService $Role
    $null -ne $service -and $service.State -eq 'Running'
}

function Start-ImporterService([string] $Role) {
    Invoke-Importer @('service', 'start', $Role)
    (Get-Service -Name $ServiceNames[$Role]).WaitForStatus('Running', [timespan]::FromSeconds(60))
}

function Stop-ImporterService([string] $Role) {
    Invoke-Importer @('service', 'stop', $Role)
    (Get-Service -Name $ServiceNames[$Role]).WaitForStatus('Stopped', [timespan]::FromSeconds(60))
}
