#Requires -Version 5.1
#Requires -RunAsAdministrator
<#
.SYNOPSIS
Removes the services and programs of mail-importer from this host. Settings, logs, certificates and mail stay.

.DESCRIPTION
Stops and removes the services, the rules of the firewall, the event source and the programs. The gateway database is not
touched, and neither are the subscriptions in Microsoft Graph: they end by themselves within days.

.PARAMETER ProgramFolder
As for install.ps1.

.PARAMETER DataFolder
As for install.ps1.

.PARAMETER Thumbprint
Certificates of LocalMachine\My whose private key the services may no longer use. The certificates stay.

.PARAMETER RemoveData
Deletes the data folder as well: settings, logs, certificates and, if it is there, the SQLite database with its mail. Asks
first; this cannot be undone.

.EXAMPLE
.\uninstall.ps1 -WhatIf

.EXAMPLE
.\uninstall.ps1 -RemoveData
#>
[CmdletBinding(SupportsShouldProcess)]
param(
    [string] $ProgramFolder = "$env:ProgramFiles\mail-importer",
    [string] $DataFolder = "$env:ProgramData\mail-importer",
    [string[]] $Thumbprint = @(),
    [switch] $RemoveData
)

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'
. (Join-Path $PSScriptRoot 'installation.ps1')

function Remove-KeyRight([string] $Print, [string] $Sid) {
    $file = Get-PrivateKeyFile $Print
    Invoke-Step 'Take back the right to the private key' "$Print ($file)" -IsDone { -not (Test-Access $file $Sid 'R') } -Action {
        Invoke-Native "$env:SystemRoot\System32\icacls.exe" @($file, '/remove:g', "*$Sid")
    }
}

function Remove-ImporterService([string] $Each) {
    $service = Get-ImporterService $Each
    if ($null -eq $service) { return }
    $sid = Get-Sid $service.StartName
    foreach ($print in $Thumbprint) { if ($sid) { Remove-KeyRight (Get-Thumbprint $print) $sid } }
    Invoke-Step 'Stop the service' $ServiceNames[$Each] -IsDone { -not (Test-Running $Each) } -Action {
        Stop-Service -Name $ServiceNames[$Each]
    }
    Invoke-Step 'Remove the service' $ServiceNames[$Each] -IsDone { $null -eq (Get-ImporterService $Each) } -Action {
        if (Test-Path -LiteralPath $Importer) { Invoke-Importer @('service', 'remove', $Each) }
        else { Invoke-Native "$env:SystemRoot\System32\sc.exe" @('delete', $ServiceNames[$Each]) }
    }
}

function Remove-Folder([string] $Folder) {
    Invoke-Step 'Remove the folder' $Folder -IsDone { -not (Test-Path -LiteralPath $Folder) } -Action {
        Remove-Item -LiteralPath $Folder -Recurse -Force -Confirm:$false
    }
}

function Confirm-DataRemoval {
    # A function of its own for its impact: it asks, whatever $ConfirmPreference is by default.
    [CmdletBinding(SupportsShouldProcess, ConfirmImpact = 'High')]
    param()
    $PSCmdlet.ShouldProcess($DataFolder, 'Delete settings, logs, certificates and a SQLite database for good')
}

foreach ($each in $ServiceNames.Keys) { Remove-ImporterService $each }
foreach ($each in 'receiver', 'console') {
    Invoke-Step 'Remove the rule of the firewall' "mail-importer-$each" -IsDone {
        $null -eq (Get-NetFirewallRule -Name "mail-importer-$each" -ErrorAction SilentlyContinue)
    } -Action { Remove-NetFirewallRule -Name "mail-importer-$each" }
}
Invoke-Step 'Remove the event source' 'mail-importer' -IsDone { -not (Test-Path -LiteralPath $EventSourceKey) } -Action {
    Remove-Item -LiteralPath $EventSourceKey -Recurse
}
Remove-Folder $ProgramFolder
if ($RemoveData) {
    if (Confirm-DataRemoval) { Remove-Folder $DataFolder }
} elseif (Test-Path -LiteralPath $DataFolder) {
    Write-Report 'kept' "$DataFolder (settings, logs, certificates): -RemoveData deletes it."
}
