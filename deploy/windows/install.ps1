#Requires -Version 5.1
#Requires -RunAsAdministrator
<#
.SYNOPSIS
Installs mail-importer as a Windows service, or repairs an installation.

.DESCRIPTION
Each step is checked first and done only where something is missing, so that a second run repairs. -WhatIf shows what
would be done and changes nothing; steps that need the result of an earlier one are then reported as "later".

Without a settings file the script writes one with all settings as comments, and ends before it touches a database: edit
the file, and run the script again. No secret is a parameter, and none is printed.

The guide is docs/windows.md (French: docs/fr/windows.md).

.PARAMETER WheelFolder
The folder with the wheel of mail-importer (mail_importer-VERSION-py3-none-any.whl), requirements.lock of the same
version and, unless -FromIndex is given, the wheels of all dependencies. Not needed to repair what is installed.

.PARAMETER FromIndex
Fetches the dependencies from the package index of pip's own settings. Their hashes are checked all the same.

.PARAMETER Python
The python.exe to use, if it is not the newest that the launcher 'py' or the path finds.

.PARAMETER ProgramFolder
For the programs. The service may read and execute there, and cannot write.

.PARAMETER DataFolder
For settings, logs and certificates. Ordinary users have no access.

.PARAMETER Role
all (one service with every role), or one service for each of receiver, processor, subscriptions, delivery, console.
Services that an earlier run installed for other roles stay as they are, with their rights.

.PARAMETER Account
A group managed service account, DOMAIN\NAME$. Without it each service runs as its virtual account,
NT SERVICE\MailImporter….

.PARAMETER Thumbprint
Certificates of LocalMachine\My whose private key the service uses: those of the accounts. Certificates that the settings
name are found there.

.PARAMETER ImportFolder
Folders below which import rules save files, beside those of delivery_roots; the service gets the right to write there.

.PARAMETER MetricsPort
The port of the metrics of the first service of several; each of the others has the next one that no service of this host
has, installed by this run or before. With one service metrics_port of the settings counts.

.PARAMETER SkipDatabase
Leaves the schema of the gateway database as it is: another host, or a database administrator, brought it up to date before.

.PARAMETER NoStart
Installs the services without starting them.

.EXAMPLE
.\install.ps1 -WheelFolder .\wheels -WhatIf

.EXAMPLE
.\install.ps1 -WheelFolder .\wheels -Thumbprint 9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B

.EXAMPLE
.\install.ps1 -WheelFolder .\wheels -Role receiver, processor, subscriptions -Account 'CONTOSO\mailimporter$'
#>
[CmdletBinding(SupportsShouldProcess)]
param(
    [string] $WheelFolder,
    [switch] $FromIndex,
    [string] $Python,
    [string] $ProgramFolder = "$env:ProgramFiles\mail-importer",
    [string] $DataFolder = "$env:ProgramData\mail-importer",
    [ValidateSet('all', 'receiver', 'processor', 'subscriptions', 'delivery', 'console')] [string[]] $Role = @('all'),
    [ValidatePattern('^[^\\]+\\[^\\]+\$$')] [string] $Account,
    [string[]] $Thumbprint = @(),
    [string[]] $ImportFolder = @(),
    [ValidateRange(1024, 65000)] [int] $MetricsPort = 9464,
    [switch] $SkipDatabase,
    [switch] $NoStart
)

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'
. (Join-Path $PSScriptRoot 'installation.ps1')

$administrators = [ordered] @{ $SystemSid = 'F'; $AdministratorsSid = 'F' }

function Get-OtherRole([string[]] $Roles) {
    # The roles beside these whose services are installed on this host, by an earlier run.
    $ServiceNames.Keys | Where-Object { $Roles -notcontains $_ -and (Get-ImporterService $_) }
}

function Get-ServiceSid {
    # The SIDs of the accounts of this host's services, of this run and of earlier ones; nothing for those that Windows does
    # not know yet.
    $accounts = @($Role | ForEach-Object { Get-ServiceAccount $_ $Account })
    foreach ($each in @(Get-OtherRole $Role)) {
        $accounts += (Get-ImporterService $each).StartName -replace '^\.\\', "$env:COMPUTERNAME\"
    }
    $accounts | ForEach-Object { Get-Sid $_ } | Select-Object -Unique
}

function Get-ServicePort([string] $Each) {
    # The port of the metrics of an installed service: its own, else that of the settings.
    $name = 'MAIL_IMPORTER_METRICS_PORT='
    $own = @(Get-ServiceEnvironment $Each | Where-Object { $_.StartsWith($name) })
    if ($own.Count) { $own[0].Substring($name.Length) } else { "$((Get-ImporterSetting)['metrics_port'].value)" }
}

function Get-FreePort([string] $Each) {
    # The first port from -MetricsPort on that no other service of this host has; nothing for one that is alone.
    $others = @(Get-OtherRole @($Each))
    if ($Role.Count -eq 1 -and $others.Count -eq 0) { return }
    $taken = @($others | ForEach-Object { Get-ServicePort $_ })
    $port = $MetricsPort
    while ($taken -contains "$port") { $port++ }
    "$port"
}

function Get-Access([string] $Letters) {
    # Administrators and the system, and the services with these rights.
    $access = [ordered] @{}
    foreach ($sid in $administrators.Keys) { $access[$sid] = $administrators[$sid] }
    foreach ($sid in @(Get-ServiceSid)) { $access[$sid] = $Letters }
    $access
}

function Install-Program {
    Assert-Owner $ProgramFolder
    Invoke-Step 'Create the program folder' $ProgramFolder -IsDone { Test-Path -LiteralPath $ProgramFolder } -Action {
        New-Item -ItemType Directory -Path $ProgramFolder
    }
    # Before anything is in it that a service runs. Below another folder than Program Files users could write otherwise.
    $readers = [ordered] @{ $SystemSid = 'F'; $AdministratorsSid = 'F'; $UsersSid = 'RX' }
    Invoke-Step 'Let ordinary users only read and execute' $ProgramFolder -IsDone {
        Test-AccessList $ProgramFolder $readers
    } -Action { Set-AccessList $ProgramFolder $readers }
    if (-not $WheelFolder) {
        if (Get-InstalledVersion $venvPython) { return }
        throw "mail-importer is not installed in $venv yet: name the folder of its wheel with -WheelFolder."
    }
    $release = Get-Release $WheelFolder
    $installed = Get-InstalledVersion $venvPython
    if ($installed -and $installed -ne $release.Version) {
        throw "mail-importer $installed is installed, and $WheelFolder has $($release.Version): use upgrade.ps1."
    }
    # Searched before the step, so that -WhatIf reports that there is none.
    $base = if (Test-Path -LiteralPath $venvPython) { $venvPython } else { Find-Python $Python }
    Invoke-Step 'Create the virtual environment' "$venv, by $base" -IsDone { Test-Path -LiteralPath $venvPython } -Action {
        Invoke-Native $base @('-m', 'venv', $venv)
    }
    Invoke-Step "Install mail-importer $($release.Version)" $venv -IsDone {
        (Get-InstalledVersion $venvPython) -eq $release.Version
    } -Action { Install-Release $venvPython $release -FromIndex:$FromIndex }
}

function Install-Data {
    # Closed before anything is in it.
    Assert-Owner $DataFolder
    Assert-Owner $settingsFile
    foreach ($folder in $DataFolder, (Join-Path $DataFolder 'logs'), (Join-Path $DataFolder 'certificates')) {
        Invoke-Step 'Create the folder' $folder -IsDone { Test-Path -LiteralPath $folder } -Action {
            New-Item -ItemType Directory -Path $folder
            Set-AccessList $folder $administrators
        }
    }
    Invoke-Step 'Write a settings file to begin with' $settingsFile -IsDone {
        Test-Path -LiteralPath $settingsFile
    } -Action { Invoke-Importer @('config', 'init', $settingsFile) }
}

function Install-Account {
    # Windows itself keeps the password of a group managed service account; a virtual account has none. The right to log on
    # as a service is granted by 'mail-importer service install'.
    if (-not $Account) { return }
    $name = ($Account -split '\\')[1].TrimEnd('$')
    if (Get-Module -ListAvailable -Name ActiveDirectory) {
        Invoke-Step 'Let this host use the group managed service account' $Account -IsDone {
            Test-ADServiceAccount -Identity $name -WarningAction SilentlyContinue
        } -Action { Install-ADServiceAccount -Identity $name }
    } else {
        Write-Report 'skipped' "Nothing checked whether this host may use ${Account}: the module ActiveDirectory is missing."
    }
    if (-not (Get-Sid $Account)) {
        throw "Windows knows no account ${Account}: check the name, and that this host is in its domain."
    }
}

function Install-Service([string] $Each) {
    $serviceName = $ServiceNames[$Each]
    $serviceAccount = Get-ServiceAccount $Each $Account
    Invoke-Step 'Install the service' "$serviceName as $serviceAccount" -IsDone {
        $service = Get-ImporterService $Each
        $null -ne $service -and $service.StartName -eq $serviceAccount
    } -Action {
        if (Get-ImporterService $Each) {
            if (Test-Running $Each) { Stop-ImporterService $Each }
            Invoke-Importer @('service', 'remove', $Each)
        }
        Install-ImporterService $Each $Account (Get-FreePort $Each)
    }
}

function Install-Right {
    # After the services: Windows knows a virtual account only once its service is there.
    $unknown = @($Role | Where-Object { -not (Get-Sid (Get-ServiceAccount $_ $Account)) })
    if ($unknown.Count) {
        Write-Report 'later' "Rights of the services ($($unknown -join ', ')): their accounts are not there yet."
        return
    }
    $rights = [ordered] @{
        $DataFolder                             = 'M'
        (Join-Path $DataFolder 'logs')          = 'M'
        (Join-Path $DataFolder 'certificates')  = 'RX'
        $settingsFile                           = 'R'
    }
    foreach ($path in $rights.Keys) {
        $access = Get-Access $rights[$path]
        Invoke-Step 'Limit access to administrators and the service' $path -IsDone { Test-AccessList $path $access } -Action {
            Set-AccessList $path $access
        }
    }
}

function Get-UsedThumbprint($Settings) {
    # Those given, and those that the settings name.
    $named = @($Thumbprint)
    foreach ($setting in 'servicebus_thumbprint', 'database_thumbprint', 'console_thumbprint') {
        if ($Settings.ContainsKey($setting) -and $Settings[$setting].value) { $named += $Settings[$setting].value }
    }
    foreach ($setting in 'receiver_tls_cert', 'console_tls_cert') {
        if ($Settings[$setting].value -match '^windows:LocalMachine/My/(.+)$') { $named += $Matches[1] }
    }
    $named | ForEach-Object { Get-Thumbprint $_ } | Select-Object -Unique
}

function Install-KeyRight($Settings) {
    foreach ($print in @(Get-UsedThumbprint $Settings)) {
        $file = Get-PrivateKeyFile $print
        foreach ($sid in @(Get-ServiceSid)) {
            Invoke-Step 'Let the service use the private key' "$print ($file)" -IsDone { Test-Access $file $sid 'R' } -Action {
                Invoke-Native "$env:SystemRoot\System32\icacls.exe" @($file, '/grant', "*${sid}:R")
            }
        }
    }
}

function Install-ImportFolder($Settings) {
    $delivering = @($Role | Where-Object { $_ -eq 'all' -or $_ -eq 'delivery' })
    if (-not $delivering.Count) { return }
    $folders = @($ImportFolder)
    if ($Settings['delivery_roots'].value) { $folders += @($Settings['delivery_roots'].value -split '[;\r\n]+') }
    foreach ($folder in @($folders | ForEach-Object { "$_".Trim() } | Where-Object { $_ } | Select-Object -Unique)) {
        if ($folder -like '\\*') {
            Write-Report 'skipped' "${folder}: grant the right to write on its file server, to $(Get-NetworkAccount)."
            continue
        }
        Invoke-Step 'Create the import folder' $folder -IsDone { Test-Path -LiteralPath $folder } -Action {
            New-Item -ItemType Directory -Path $folder
        }
        foreach ($each in $delivering) {
            $sid = Get-Sid (Get-ServiceAccount $each $Account)
            if (-not ($sid -and (Test-Path -LiteralPath $folder))) { continue }
            Invoke-Step 'Let the service save files' $folder -IsDone { Test-Access $folder $sid 'M' } -Action {
                Invoke-Native "$env:SystemRoot\System32\icacls.exe" @($folder, '/grant', "*${sid}:(OI)(CI)M")
            }
        }
    }
}

function Get-NetworkAccount {
    # The account as which other hosts see the service.
    if ($Account) { $Account } else { "the account of this computer, $env:COMPUTERNAME`$" }
}

function Install-EventSource {
    Invoke-Step 'Register the event source' 'mail-importer in the log Application' -IsDone {
        Test-Path -LiteralPath $EventSourceKey
    } -Action {
        $code = 'import win32evtlogutil; win32evtlogutil.AddSourceToRegistry(''mail-importer'')'
        Invoke-Native $venvPython @('-c', $code)
    }
}

function Install-FirewallRule($Settings) {
    # Only where other hosts are meant to reach it: behind IIS the receiver listens on this host alone.
    foreach ($each in 'receiver', 'console') {
        $address = $Settings["${each}_host"].value
        $port = $Settings["${each}_port"].value
        if (-not @($Role | Where-Object { $_ -eq 'all' -or $_ -eq $each }).Count) { continue }
        if ($address -in '127.0.0.1', '::1', 'localhost') {
            Write-Report 'ok' "No firewall rule for the ${each}: it listens on $address."
            continue
        }
        Invoke-Step 'Allow connections through the firewall' "$each, TCP port $port" -IsDone {
            $rule = Get-NetFirewallRule -Name "mail-importer-$each" -ErrorAction SilentlyContinue
            $null -ne $rule -and "$(($rule | Get-NetFirewallPortFilter).LocalPort)" -eq "$port"
        } -Action {
            Remove-NetFirewallRule -Name "mail-importer-$each" -ErrorAction SilentlyContinue
            New-NetFirewallRule -Name "mail-importer-$each" -DisplayName "MonitorPro mail-importer ($each)" `
                -Direction Inbound -Action Allow -Protocol TCP -LocalPort $port
        }
    }
}

function Install-Schema {
    Invoke-Step 'Bring the schema up to date' 'the gateway database' -IsDone {
        (Get-ImporterOutput @('db', 'current')).Status -eq 0
    } -Action { Invoke-Importer @('db', 'upgrade') }
}

$configBefore = $env:MAIL_IMPORTER_CONFIG
try {
    $env:MAIL_IMPORTER_CONFIG = $settingsFile
    $new = -not (Test-Path -LiteralPath $settingsFile)
    Install-Program
    Install-Data
    Install-Account
    foreach ($each in $Role) { Install-Service $each }
    Install-Right
    if (-not (Test-Path -LiteralPath $Importer) -or -not (Test-Path -LiteralPath $settingsFile)) {
        Write-Report 'later' 'Keys, import folders, event source, firewall, database, start: there are no settings yet.'
        return
    }
    Install-EventSource
    if ($new) {
        Write-Report 'NOW' "Edit $settingsFile (database_url, certificate_store, notification_url), and run this again."
        return
    }
    Invoke-Importer @('config', 'check')
    $settings = Get-ImporterSetting
    Install-KeyRight $settings
    Install-ImportFolder $settings
    Install-FirewallRule $settings
    if ($SkipDatabase) { Assert-Schema } else { Install-Schema }
    if ($NoStart) { return }
    foreach ($each in $Role) {
        Invoke-Step 'Start the service' $ServiceNames[$each] -IsDone { Test-Running $each } -Action {
            Start-ImporterService $each
        }
    }
    if ($WhatIfPreference) { return }
    foreach ($each in $Role) { Invoke-Importer @('service', 'status', $each) }
    Invoke-Importer @('status')
} finally {
    $env:MAIL_IMPORTER_CONFIG = $configBefore
}
