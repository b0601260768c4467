#Requires -Version 5.1
#Requires -RunAsAdministrator
<#
.SYNOPSIS
Replaces the programs of mail-importer on this host by another version, or takes the previous version back.

.DESCRIPTION
Checks first that every wheel of the new version can be had and has its hash; only then are the services of this host
stopped. The virtual environment is kept as venv.previous. If the new version cannot be installed, or refuses the settings
or the database, the previous one is put back and started again, and the script ends with the reason.

The upgrade of the schema only adds to it, so that older programs go on with it: on several hosts, upgrade one after the
other, the first without and the others with -SkipDatabase. Mail that arrives meanwhile is kept by the queue and by
Microsoft Graph (which repeats a notification for four hours), and the next sweep finds what is left.

The guide is docs/windows.md (French: docs/fr/windows.md).

.PARAMETER WheelFolder
The folder with the new wheel, requirements.lock of the same version, and the wheels of all dependencies.

.PARAMETER FromIndex
Fetches the dependencies from the package index of pip's own settings. Their hashes are checked all the same.

.PARAMETER RollBack
Puts venv.previous back. The schema stays as it is. The version that was taken out is kept as venv.failed.

.PARAMETER Python
The python.exe of the new virtual environment, if it is not the newest that the launcher 'py' or the path finds.

.PARAMETER ProgramFolder
As for install.ps1.

.PARAMETER DataFolder
As for install.ps1.

.PARAMETER SkipDatabase
Leaves the schema as it is: another host, or a database administrator, brought it up to date before.

.EXAMPLE
.\upgrade.ps1 -WheelFolder .\wheels -WhatIf

.EXAMPLE
.\upgrade.ps1 -WheelFolder .\wheels

.EXAMPLE
.\upgrade.ps1 -RollBack
#>
[CmdletBinding(SupportsShouldProcess, DefaultParameterSetName = 'Upgrade')]
param(
    [Parameter(Mandatory, ParameterSetName = 'Upgrade')] [string] $WheelFolder,
    [Parameter(ParameterSetName = 'Upgrade')] [switch] $FromIndex,
    [Parameter(ParameterSetName = 'Upgrade')] [string] $Python,
    [Parameter(ParameterSetName = 'Upgrade')] [switch] $SkipDatabase,
    [Parameter(Mandatory, ParameterSetName = 'RollBack')] [switch] $RollBack,
    [string] $ProgramFolder = "$env:ProgramFiles\mail-importer",
    [string] $DataFolder = "$env:ProgramData\mail-importer"
)

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'
. (Join-Path $PSScriptRoot 'installation.ps1')

$previous = Join-Path $ProgramFolder 'venv.previous'
$failed = Join-Path $ProgramFolder 'venv.failed'

function Move-Folder([string] $From, [string] $To) {
    # A file that is still open keeps its folder in place: the service ends within seconds, an open Event Viewer does not.
    $deadline = (Get-Date).AddSeconds(30)
    if (Test-Path -LiteralPath $To) { Remove-Item -LiteralPath $To -Recurse -Force }
    while ($true) {
        try {
            Move-Item -LiteralPath $From -Destination $To
            return
        } catch [System.IO.IOException], [System.UnauthorizedAccessException] {
            if ((Get-Date) -gt $deadline) {
                throw "$From is in use: close the Event Viewer, and windows that run from there. ($($_.Exception.Message))"
            }
            Start-Sleep -Milliseconds 500
        }
    }
}

function Get-Registration([string] $Each) {
    # What a service was installed with, for the same again.
    $service = Get-ImporterService $Each
    [pscustomobject] @{
        Role        = $Each
        Account     = if ($service.StartName -like 'NT SERVICE\*') { '' } else { $service.StartName }
        Environment = @(Get-ServiceEnvironment $Each)
        Running     = $service.State -eq 'Running'
    }
}

function Get-BaseFolder([string] $Folder) {
    # The folder of the Python that a virtual environment was made with.
    $line = Get-Content -LiteralPath (Join-Path $Folder 'pyvenv.cfg') -Encoding UTF8 | Where-Object { $_ -match '^home\s*=' }
    ("$line" -split '=', 2)[1].Trim()
}

function Restore-Registration($Registrations, [string] $FolderBefore) {
    # The services stay as they are, unless the Python that they run is another one.
    if ((Get-BaseFolder $venv) -eq (Get-BaseFolder $FolderBefore)) { return }
    foreach ($one in $Registrations) {
        if (Get-ImporterService $one.Role) { Invoke-Importer @('service', 'remove', $one.Role) }
        Install-ImporterService $one.Role $one.Account
        # Variables of the administrator's own, such as a metrics port, are kept.
        $written = @(Get-ServiceEnvironment $one.Role)
        $names = @($written | ForEach-Object { ($_ -split '=')[0] })
        $kept = @($one.Environment | Where-Object { $names -notcontains ($_ -split '=')[0] })
        if ($kept.Count) {
            New-ItemProperty -LiteralPath (Get-ServiceKey $one.Role) -Name Environment -PropertyType MultiString `
                -Value ([string[]] ($written + $kept)) -Force | Out-Host
        }
    }
}

function Start-Registration($Registrations) {
    foreach ($one in @($Registrations | Where-Object { $_.Running })) {
        Start-ImporterService $one.Role
        Invoke-Importer @('service', 'status', $one.Role)
    }
}

function Stop-Registration($Registrations) {
    foreach ($one in $Registrations) { if (Test-Running $one.Role) { Stop-ImporterService $one.Role } }
}

function Switch-Folder([string] $Aside) {
    # Puts venv.previous in the place of the virtual environment, which is kept as -Aside if there is one.
    if (Test-Path -LiteralPath $venv) { Move-Folder $venv $Aside }
    Move-Folder $previous $venv
}

function Install-NewVersion($Release, $Registrations) {
    $base = Find-Python $Python
    Invoke-Native $venvPython (@(Get-PipArgument $Release -FromIndex:$FromIndex) + '--dry-run')
    try {
        Stop-Registration $Registrations
        Move-Folder $venv $previous
    } catch {
        Start-Registration @($Registrations | Where-Object { -not (Test-Running $_.Role) })
        throw
    }
    try {
        Invoke-Native $base @('-m', 'venv', $venv)
        Install-Release $venvPython $Release -FromIndex:$FromIndex
        Invoke-Importer @('config', 'check')
        if ($SkipDatabase) { Assert-Schema } else { Invoke-Importer @('db', 'upgrade') }
        Restore-Registration $Registrations $previous
    } catch {
        Write-Report 'FAILED' "$($_.Exception.Message) The previous version is put back."
        Switch-Folder $failed
        if (Test-Path -LiteralPath (Join-Path $failed 'pyvenv.cfg')) { Restore-Registration $Registrations $failed }
        Start-Registration $Registrations
        throw
    }
    Start-Registration $Registrations
}

$configBefore = $env:MAIL_IMPORTER_CONFIG
try {
    $env:MAIL_IMPORTER_CONFIG = $settingsFile
    $registrations = @($ServiceNames.Keys | Where-Object { Get-ImporterService $_ } | ForEach-Object { Get-Registration $_ })
    $running = @($registrations | Where-Object { $_.Running } | ForEach-Object { $_.Role }) -join ', '
    $installed = Get-InstalledVersion $venvPython
    if ($RollBack) {
        $earlier = Get-InstalledVersion (Join-Path $previous 'Scripts\python.exe')
        if (-not $earlier) { throw "There is no previous version in ${previous}: install one with -WheelFolder." }
        $intent = "Put version $earlier back in place of $installed; services that stop meanwhile: $running"
        if (-not $PSCmdlet.ShouldProcess($venv, $intent)) { return }
        Stop-Registration $registrations
        Switch-Folder $failed
        Restore-Registration $registrations $failed
        # A setting that only the newer version has is an error here: take it out of the file, and run install.ps1.
        Invoke-Importer @('config', 'check')
        Start-Registration $registrations
        Write-Report 'done' "Version $earlier is in place again; $installed is kept in $failed."
    } else {
        if (-not $installed) { throw "mail-importer is not installed in ${venv}: use install.ps1." }
        $release = Get-Release $WheelFolder
        if ($installed -eq $release.Version) {
            Write-Report 'ok' "Version $installed is installed already; install.ps1 repairs it."
            return
        }
        $intent = "Replace version $installed by $($release.Version); services that stop meanwhile: $running"
        if (-not $PSCmdlet.ShouldProcess($venv, $intent)) { return }
        Install-NewVersion $release $registrations
        Write-Report 'done' "Version $($release.Version) is in place; -RollBack puts $installed back, which $previous keeps."
    }
    Invoke-Importer @('status')
} finally {
    $env:MAIL_IMPORTER_CONFIG = $configBefore
}
