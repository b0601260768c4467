#Requires -Version 5.1
<#
.SYNOPSIS
Functions of the other scripts, which load this file; by itself it does nothing.

.DESCRIPTION
Loaded with a dot, not as a module: a module would not see -WhatIf and -Confirm of the script that loads it.
#>
Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'

# Accounts by their SID: their names depend on the language of Windows.
$SystemSid = 'S-1-5-18'
$AdministratorsSid = 'S-1-5-32-544'
$UsersSid = 'S-1-5-32-545'

function Write-Report([string] $State, [string] $Text) {
    Write-Information ('{0,-8} {1}' -f $State, $Text) -InformationAction Continue
}

function Invoke-Step {
    # A step that is checked before it is done, and again afterwards. -IsDone only reads; -WhatIf stops before -Action.
    [CmdletBinding(SupportsShouldProcess)]
    param(
        [Parameter(Mandatory)] [string] $Title,
        [Parameter(Mandatory)] [string] $Target,
        [Parameter(Mandatory)] [scriptblock] $IsDone,
        [Parameter(Mandatory)] [scriptblock] $Action
    )
    if (& $IsDone) {
        Write-Report 'ok' "${Title}: $Target"
        return
    }
    if (-not $PSCmdlet.ShouldProcess($Target, $Title)) { return }
    & $Action | Out-Host
    if (-not (& $IsDone)) {
        throw "$Title ran without an error, but $Target is not as it should be: correct it, and run the script again."
    }
    Write-Report 'done' "${Title}: $Target"
}

function Set-ConsoleEncoding([System.Text.Encoding] $Encoding) {
    try { [Console]::OutputEncoding = $Encoding }
    catch [System.IO.IOException] { Write-Verbose 'There is no console (a remote session), and nothing to decode for it.' }
}

function Get-NativeOutput {
    # Runs a program, in a folder if one is given; returns its exit status, its standard output, and its standard error.
    # Throws for no exit status.
    param([Parameter(Mandatory)] [string] $Program, [string[]] $Arguments = @(), [string] $Folder)
    $ErrorActionPreference = 'Continue'  # Windows PowerShell 5.1: a line on standard error is no failure
    $PSNativeCommandUseErrorActionPreference = $false  # PowerShell 7.4: nor is an exit status, which the caller judges
    $encoding = [Console]::OutputEncoding
    $utf8 = $env:PYTHONUTF8
    if ($Folder) { Push-Location -LiteralPath $Folder }
    try {
        $env:PYTHONUTF8 = '1'
        Set-ConsoleEncoding ([System.Text.Encoding]::UTF8)
        $output = @(& $Program @Arguments 2>&1)
        $status = $LASTEXITCODE
    } finally {
        if ($Folder) { Pop-Location }
        Set-ConsoleEncoding $encoding
        $env:PYTHONUTF8 = $utf8
    }
    $errors = @($output | Where-Object { $_ -is [System.Management.Automation.ErrorRecord] })
    $printed = @($output | Where-Object { $_ -isnot [System.Management.Automation.ErrorRecord] })
    [pscustomobject] @{ Status = $status; Printed = $printed -join "`n"; Reported = $errors -join "`n" }
}

function Invoke-Native {
    # Runs a program and shows its output; throws unless its exit status is 0.
    param([Parameter(Mandatory)] [string] $Program, [string[]] $Arguments = @(), [string] $Folder)
    $result = Get-NativeOutput $Program $Arguments $Folder
    foreach ($text in $result.Printed, $result.Reported) { if ($text) { $text | Out-Host } }
    if ($result.Status -ne 0) {
        $call = "$(Split-Path $Program -Leaf) $($Arguments -join ' ')"
        throw "$call ended with exit status $($result.Status): see its output above."
    }
}

# Rights to files and folders.

function Get-Sid([string] $AccountName) {
    # The SID of an account; nothing if Windows knows no such account (a virtual account before its service is there).
    try {
        $account = [System.Security.Principal.NTAccount]::new($AccountName)
        $account.Translate([System.Security.Principal.SecurityIdentifier]).Value
    } catch [System.Security.Principal.IdentityNotMappedException] {
        Write-Verbose "Windows knows no account $AccountName."
    }
}

function Get-AccessRule([string] $Path) {
    (Get-Acl -LiteralPath $Path).GetAccessRules($true, $true, [System.Security.Principal.SecurityIdentifier])
}

function Test-WritableByUser([string] $Path) {
    # Users, authenticated users, interactive users, everyone: a folder directly below C:\ lets them write by default.
    $ordinary = @($UsersSid, 'S-1-5-11', 'S-1-5-4', 'S-1-1-0')
    $writing = [System.Security.AccessControl.FileSystemRights] 'WriteData, Delete, ChangePermissions, TakeOwnership'
    $granting = Get-AccessRule $Path | Where-Object {
        $ordinary -contains $_.IdentityReference.Value -and $_.AccessControlType -eq 'Allow' -and
        ($_.FileSystemRights -band $writing) -ne 0
    }
    @($granting).Count -gt 0
}

function Test-Owner([string] $Path) {
    # Whether a file or folder belongs to the system, to administrators, to Windows' own installer, or to you. An owner can
    # give rights back to itself, and every user can make folders in C:\ProgramData.
    $trusted = @($SystemSid, $AdministratorsSid, 'S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464')
    $trusted += [System.Security.Principal.WindowsIdentity]::GetCurrent().User.Value
    $trusted -contains (Get-Acl -LiteralPath $Path).GetOwner([System.Security.Principal.SecurityIdentifier]).Value
}

function Assert-Owner([string] $Path) {
    if (-not (Test-Path -LiteralPath $Path) -or (Test-Owner $Path)) { return }
    throw "$Path was there before, and belongs to $((Get-Acl -LiteralPath $Path).Owner): it could change what the service " +
        'runs or reads. Examine its content, then delete it, or take it over: icacls FOLDER /setowner Administrators /T'
}

$RightsOfLetters = @{ F = 'FullControl'; M = 'Modify'; RX = 'ReadAndExecute'; R = 'Read' }

function Test-Access([string] $Path, [string] $Sid, [string] $Letters) {
    $rights = [System.Security.AccessControl.FileSystemRights] $RightsOfLetters[$Letters]
    $granting = Get-AccessRule $Path | Where-Object {
        $_.IdentityReference.Value -eq $Sid -and $_.AccessControlType -eq 'Allow' -and
        ($_.FileSystemRights -band $rights) -eq $rights
    }
    @($granting).Count -gt 0
}

function Test-AccessList([string] $Path, [System.Collections.IDictionary] $Access) {
    # Whether a file or folder grants these accounts their rights, and no other account any.
    if (-not (Test-Path -LiteralPath $Path)) { return $false }
    $others = @(Get-AccessRule $Path | Where-Object { -not $Access.Contains($_.IdentityReference.Value) })
    $missing = @($Access.Keys | Where-Object { -not (Test-Access $Path $_ $Access[$_]) })
    $others.Count -eq 0 -and $missing.Count -eq 0
}

function Set-AccessList([string] $Path, [System.Collections.IDictionary] $Access) {
    # Grants these accounts (by SID) these rights, in the letters of icacls, and takes away all that others have.
    $inherit = if (Test-Path -LiteralPath $Path -PathType Container) { '(OI)(CI)' } else { '' }
    $arguments = @($Path, '/inheritance:r')
    foreach ($sid in $Access.Keys) { $arguments += @('/grant:r', "*${sid}:$inherit$($Access[$sid])") }
    $others = @(
        Get-AccessRule $Path | Where-Object { -not $_.IsInherited } | ForEach-Object { $_.IdentityReference.Value } |
            Where-Object { -not $Access.Contains($_) } | Select-Object -Unique
    )
    foreach ($sid in $others) { $arguments += @('/remove', "*$sid") }
    Invoke-Native "$env:SystemRoot\System32\icacls.exe" $arguments
}

# Certificates.

function Get-Thumbprint([string] $Text) {
    # A thumbprint without blanks and the invisible character with which a copy from the certificate's window begins.
    ($Text -replace '[^0-9A-Fa-f]', '').ToUpperInvariant()
}

function Get-PrivateKeyFile([string] $Thumbprint) {
    # The file that holds the private key of a certificate of the machine's store, by CNG or by CAPI.
    $certificate = Get-Item -LiteralPath "Cert:\LocalMachine\My\$Thumbprint"
    if (-not $certificate.HasPrivateKey) {
        throw "Certificate $Thumbprint has no private key here: import the .pfx, not the .cer."
    }
    $extensions = [System.Security.Cryptography.X509Certificates.RSACertificateExtensions]
    $key = $extensions::GetRSAPrivateKey($certificate)
    if ($null -eq $key) { throw "The key of certificate $Thumbprint is not RSA, which mail-importer needs." }
    if ($key -is [System.Security.Cryptography.RSACng]) { $container = $key.Key.UniqueName }
    else { $container = $key.CspKeyContainerInfo.UniqueKeyContainerName }
    foreach ($folder in 'Keys', 'RSA\MachineKeys', 'SystemKeys') {
        $file = Join-Path "$env:ProgramData\Microsoft\Crypto\$folder" $container
        if (Test-Path -LiteralPath $file) { return $file }
    }
    throw "The key of certificate $Thumbprint is in no file, but in a TPM or HSM: " +
        'grant the right in certlm.msc, All Tasks, Manage Private Keys, then leave the thumbprint out here.'
}
