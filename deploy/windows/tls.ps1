#Requires -Version 5.1
#Requires -RunAsAdministrator
<#
.SYNOPSIS
Turns TLS 1.0, TLS 1.1 and older protocols off in Windows (SCHANNEL), for servers and clients.

.DESCRIPTION
IIS, SQL Server, .NET and every other program that uses SCHANNEL is concerned, not mail-importer alone, whose own TLS never
offers less than 1.2. Check with -WhatIf first what would change, and that no program of this host still needs the old
protocols (an old SQL Server, an old Outlook). A restart of Windows is needed; the script does not make one.

What it writes, below HKLM:\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols: for each protocol the
keys Server and Client with Enabled = 0 and DisabledByDefault = 1. For the old .NET Framework, SchUseStrongCrypto = 1 and
SystemDefaultTlsVersions = 1, so that its programs use what Windows offers.

.PARAMETER Undo
Deletes these values again; Windows then has its own defaults. Values of .NET stay.

.EXAMPLE
.\tls.ps1 -WhatIf

.EXAMPLE
.\tls.ps1
#>
[CmdletBinding(SupportsShouldProcess)]
param([switch] $Undo)

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'
. (Join-Path $PSScriptRoot 'steps.ps1')

$schannel = 'HKLM:\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols'
$frameworks = 'HKLM:\SOFTWARE\Microsoft\.NETFramework\v4.0.30319', 'HKLM:\SOFTWARE\WOW6432Node\Microsoft\.NETFramework\v4.0.30319'

function Get-RegistryValue([string] $Key, [string] $Value) {
    if (-not (Test-Path -LiteralPath $Key)) { return }
    $found = Get-Item -LiteralPath $Key
    if ($found.GetValueNames() -contains $Value) { $found.GetValue($Value) }
}

function Set-RegistryValue([string] $Key, [string] $Value, [int] $Wanted) {
    Invoke-Step "Set $Value = $Wanted" $Key -IsDone { (Get-RegistryValue $Key $Value) -eq $Wanted } -Action {
        if (-not (Test-Path -LiteralPath $Key)) { New-Item -Path $Key -Force }
        New-ItemProperty -LiteralPath $Key -Name $Value -Value $Wanted -PropertyType DWord -Force
    }
}

function Remove-RegistryValue([string] $Key, [string] $Value) {
    Invoke-Step "Delete $Value" $Key -IsDone { $null -eq (Get-RegistryValue $Key $Value) } -Action {
        Remove-ItemProperty -LiteralPath $Key -Name $Value
    }
}

foreach ($protocol in 'SSL 2.0', 'SSL 3.0', 'TLS 1.0', 'TLS 1.1') {
    foreach ($side in 'Server', 'Client') {
        $path = "$schannel\$protocol\$side"
        if ($Undo) {
            Remove-RegistryValue $path 'Enabled'
            Remove-RegistryValue $path 'DisabledByDefault'
        } else {
            Set-RegistryValue $path 'Enabled' 0
            Set-RegistryValue $path 'DisabledByDefault' 1
        }
    }
}
if (-not $Undo) {
    foreach ($framework in $frameworks) {
        Set-RegistryValue $framework 'SchUseStrongCrypto' 1
        Set-RegistryValue $framework 'SystemDefaultTlsVersions' 1
    }
}
Write-Report 'NOW' 'Restart Windows when it suits: the protocols are read when programs start.'
