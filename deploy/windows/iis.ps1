#Requires -Version 5.1
#Requires -RunAsAdministrator
<#
.SYNOPSIS
Puts IIS as TLS front before the receiver of mail-importer, and before its web console if wanted.

.DESCRIPTION
Installs the role Web-Server, checks (or installs, from files that you downloaded) URL Rewrite 2.1 and Application Request
Routing 3.0, enables the proxy of ARR, makes a site with an https binding for one host name (SNI) and its certificate, and
copies web.config there. At the end it asks the site itself. It changes nothing of other sites, except that the proxy is
enabled for the whole server; with -ConsoleHostName the proxy also keeps the host name and buffers no answers.

The guide is docs/windows.md (French: docs/fr/windows.md). TLS 1.0 and 1.1 are turned off by tls.ps1.

.PARAMETER HostName
The public name of the receiver, as in notification_url.

.PARAMETER Thumbprint
The certificate of LocalMachine\My with this name; its chain must be complete and public.

.PARAMETER ReceiverPort
The port of the receiver on this host (receiver_port).

.PARAMETER ConsoleHostName
The name of the web console (console_url); without it there is no site for the console.

.PARAMETER ConsoleThumbprint
The certificate of the console, if it is not that of the receiver.

.PARAMETER ConsolePort
The port of the web console on this host (console_port).

.PARAMETER SiteFolder
The folder of the sites; each gets a folder below with its web.config.

.PARAMETER RewriteInstaller
The installer of URL Rewrite (rewrite_amd64_en-US.msi), if it is not installed yet.

.PARAMETER ArrInstaller
The installer of Application Request Routing (requestRouter_amd64.msi), if it is not installed yet.

.EXAMPLE
.\iis.ps1 -HostName mail-in.example.com -Thumbprint 9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B -WhatIf
#>
[CmdletBinding(SupportsShouldProcess)]
param(
    [Parameter(Mandatory)] [ValidatePattern('^[A-Za-z0-9.-]+$')] [string] $HostName,
    [Parameter(Mandatory)] [string] $Thumbprint,
    [ValidateRange(1, 65535)] [int] $ReceiverPort = 8080,
    [ValidatePattern('^[A-Za-z0-9.-]+$')] [string] $ConsoleHostName,
    [string] $ConsoleThumbprint,
    [ValidateRange(1, 65535)] [int] $ConsolePort = 8081,
    [string] $SiteFolder = "$env:SystemDrive\inetpub\mail-importer",
    [string] $RewriteInstaller,
    [string] $ArrInstaller
)

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'
. (Join-Path $PSScriptRoot 'steps.ps1')

$appcmd = "$env:SystemRoot\System32\inetsrv\appcmd.exe"
$netsh = "$env:SystemRoot\System32\netsh.exe"
$iisApplication = '{4dc3e181-e14b-4a21-b022-59fc669b0914}'  # the application id under which IIS itself binds certificates

function Test-IisModule([string] $Module) {
    if (-not (Test-Path -LiteralPath $appcmd)) { return $false }
    $modules = Get-NativeOutput $appcmd @('list', 'config', '/section:system.webServer/globalModules')
    $modules.Status -eq 0 -and $modules.Printed -match "name=`"$Module`""
}

function Install-IisModule([string] $Product, [string] $Module, [string] $Installer, [string] $Parameter) {
    Invoke-Step "Install $Product" 'IIS' -IsDone { Test-IisModule $Module } -Action {
        if (-not $Installer) {
            throw "$Product is missing: download its installer (x64) from iis.net, and name it by $Parameter."
        }
        $path = (Resolve-Path -LiteralPath $Installer).ProviderPath
        # 3010: done, and Windows wants a restart.
        $arguments = @('/i', "`"$path`"", '/qn', '/norestart')
        $process = Start-Process -FilePath msiexec.exe -ArgumentList $arguments -Wait -PassThru
        if ($process.ExitCode -notin 0, 3010) { throw "The installer of $Product ended with exit status $($process.ExitCode)." }
    }
}

function Get-ProxySetting([string] $Attribute) {
    $section = Get-NativeOutput $appcmd @('list', 'config', '/section:system.webServer/proxy', '/config:*')
    if ($section.Status -ne 0) { return '' }
    ([xml] $section.Printed).SelectSingleNode('//proxy').GetAttribute($Attribute)
}

function Set-ProxySetting([string] $Attribute, [string] $Value) {
    Invoke-Step "Set $Attribute = $Value" 'the proxy of ARR, for the whole server' -IsDone {
        (Test-Path -LiteralPath $appcmd) -and (Get-ProxySetting $Attribute) -eq $Value
    } -Action {
        Invoke-Native $appcmd @('set', 'config', '/section:system.webServer/proxy', "/${Attribute}:$Value", '/commit:apphost')
    }
}

function Install-Pool([string] $Pool) {
    # It neither falls asleep nor loads .NET: Graph waits three seconds for an answer.
    Invoke-Step 'Create the application pool' $Pool -IsDone {
        (Test-Path -LiteralPath $appcmd) -and (Get-NativeOutput $appcmd @('list', 'apppool', "/name:$Pool")).Printed -ne ''
    } -Action {
        $arguments = @('add', 'apppool', "/name:$Pool", '/managedRuntimeVersion:', '/startMode:AlwaysRunning')
        Invoke-Native $appcmd ($arguments + '/processModel.idleTimeout:00:00:00')
    }
}

function Install-Configuration([string] $Source, [string] $Folder, [string] $DefaultTarget, [string] $Target) {
    $file = Join-Path $Folder 'web.config'
    $wanted = (Get-Content -LiteralPath (Join-Path $PSScriptRoot $Source) -Raw -Encoding UTF8).Replace($DefaultTarget, $Target)
    Invoke-Step 'Write the configuration of the site' $file -IsDone {
        (Test-Path -LiteralPath $file) -and (Get-Content -LiteralPath $file -Raw -Encoding UTF8).TrimEnd() -eq $wanted.TrimEnd()
    } -Action {
        if (-not (Test-Path -LiteralPath $Folder)) { New-Item -ItemType Directory -Path $Folder }
        Set-Content -LiteralPath $file -Value $wanted -Encoding UTF8
    }
}

function Install-Site([string] $Site, [string] $Name, [string] $Folder) {
    Invoke-Step 'Create the site' "$Site, https://$Name" -IsDone {
        (Test-Path -LiteralPath $appcmd) -and (Get-NativeOutput $appcmd @('list', 'site', "/name:$Site")).Printed -ne ''
    } -Action {
        Invoke-Native $appcmd @('add', 'site', "/name:$Site", "/bindings:https/*:443:$Name", "/physicalPath:$Folder")
        Invoke-Native $appcmd @('set', 'app', "$Site/", "/applicationPool:$Site")
    }
    $binding = "[protocol='https',bindingInformation='*:443:$Name']"
    Invoke-Step 'Bind the site by its host name (SNI)' "$Site, https://$Name" -IsDone {
        if (-not (Test-Path -LiteralPath $appcmd)) { return $false }
        $listed = Get-NativeOutput $appcmd @('list', 'site', "/name:$Site", '/config')
        $listed.Printed -match "bindingInformation=`"\*:443:$([regex]::Escape($Name))`"[^>]*sslFlags=`"1`""
    } -Action { Invoke-Native $appcmd @('set', 'site', "/site.name:$Site", "/bindings.$binding.sslFlags:1") }
}

function Install-Binding([string] $Name, [string] $Print) {
    $hash = Get-Thumbprint $Print
    if (-not (Test-Path -LiteralPath "Cert:\LocalMachine\My\$hash")) { throw "Certificate $hash is not in LocalMachine\My." }
    $shown = { Get-NativeOutput $netsh @('http', 'show', 'sslcert', "hostnameport=${Name}:443") }
    Invoke-Step 'Bind the certificate' "${Name}:443, $hash" -IsDone {
        $found = & $shown
        $found.Status -eq 0 -and $found.Printed -match $hash
    } -Action {
        if ((& $shown).Status -eq 0) { Invoke-Native $netsh @('http', 'delete', 'sslcert', "hostnameport=${Name}:443") }
        $arguments = @('http', 'add', 'sslcert', "hostnameport=${Name}:443", "certhash=$hash", "appid=$iisApplication")
        Invoke-Native $netsh ($arguments + 'certstorename=MY')
    }
}

function Test-Site([string] $Name) {
    # From this host, without DNS: the validation that Graph asks for passes, and nothing else does.
    $curl = "$env:SystemRoot\System32\curl.exe"
    if (-not (Test-Path -LiteralPath $curl)) {
        Write-Report 'skipped' "The test of https://${Name}: this Windows has no curl.exe."
        return
    }
    $common = @('--silent', '--show-error', '--max-time', '10', '--resolve', "${Name}:443:127.0.0.1")
    $answer = Get-NativeOutput $curl ($common + "https://$Name/notifications?validationToken=mail-importer")
    if ($answer.Printed -eq 'mail-importer') {
        Write-Report 'ok' "https://$Name/notifications answers as Microsoft Graph wants it."
    } else {
        Write-Report 'FAILED' "https://$Name/notifications: $($answer.Printed) $($answer.Reported) Does the receiver run?"
    }
    $status = @('--output', 'NUL', '--write-out', '%{http_code}')
    $closed = Get-NativeOutput $curl ($common + $status + "https://$Name/health/live")
    if ($closed.Printed -eq '404') {
        Write-Report 'ok' "https://$Name/health/live is not reachable from outside."
    } else {
        Write-Report 'FAILED' "https://$Name/health/live answers $($closed.Printed) instead of 404: see web.config of the site."
    }
}

function Install-Front([string] $Site, [string] $Name, [string] $Print, [string] $Source, [int] $DefaultPort, [int] $Port) {
    $folder = Join-Path $SiteFolder $Site
    Install-Configuration $Source $folder "127.0.0.1:$DefaultPort" "127.0.0.1:$Port"
    Install-Pool $Site
    Install-Site $Site $Name $folder
    Install-Binding $Name $Print
}

Invoke-Step 'Install the role' 'Web-Server' -IsDone { (Get-WindowsFeature -Name Web-Server).Installed } -Action {
    Install-WindowsFeature -Name Web-Server -IncludeManagementTools
}
Install-IisModule 'URL Rewrite 2.1' 'RewriteModule' $RewriteInstaller '-RewriteInstaller'
Install-IisModule 'Application Request Routing 3.0' 'ApplicationRequestRouting' $ArrInstaller '-ArrInstaller'
Set-ProxySetting 'enabled' 'true'
Install-Front 'mail-importer' $HostName $Thumbprint 'web.config' 8080 $ReceiverPort
if ($ConsoleHostName) {
    Set-ProxySetting 'preserveHostHeader' 'true'  # the console compares it with the origin of a request
    Set-ProxySetting 'responseBufferLimit' '0'    # server-sent events are passed on as they come
    Set-ProxySetting 'minResponseBuffer' '0'
    $print = if ($ConsoleThumbprint) { $ConsoleThumbprint } else { $Thumbprint }
    Install-Front 'mail-importer-console' $ConsoleHostName $print 'web.console.config' 8081 $ConsolePort
}
if (-not $WhatIfPreference) { Test-Site $HostName }
