#Requires -Version 5.1
<#
.SYNOPSIS
Confirms on this machine that mail-importer signs with a private key of a Windows certificate store.

.DESCRIPTION
Run it as the user that the service runs as, in Windows PowerShell 5.1 or PowerShell 7. Windows signs first, by itself;
then mail-importer finds the same certificate by its thumbprint and lets the same key sign, by way of
'mail-importer certificates show'. Nothing is sent anywhere, and no key leaves its store.

Without -Thumbprint a certificate for the trial is made in CurrentUser\My, with a key that cannot be exported, and removed
again at the end.

The exit status is 0 when every step passed, else 1.

.PARAMETER Thumbprint
The SHA-1 thumbprint of the certificate; blanks and invisible characters do not matter.

.PARAMETER Location
LocalMachine (what a service wants) or CurrentUser.

.PARAMETER Command
The command mail-importer, if it is not on the path.

.EXAMPLE
.\verify-store.ps1

.EXAMPLE
.\verify-store.ps1 -Thumbprint 9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B -Location LocalMachine
#>
[CmdletBinding()]
param(
    [string] $Thumbprint,
    [ValidateSet('LocalMachine', 'CurrentUser')] [string] $Location = 'LocalMachine',
    [string] $Command = 'mail-importer'
)

Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'
$script:Failures = 0

function Step([string] $Name, [scriptblock] $Check) {
    try {
        $evidence = & $Check
        Write-Host "passed  $Name  $evidence"
    } catch {
        $script:Failures++
        Write-Host "FAILED  $Name  $($_.Exception.Message)"
    }
}

# The command's exit status and both outputs: a line on the standard error of a program is no failure here.
function Invoke-Importer([string] $Store, [string[]] $Arguments) {
    $env:MAIL_IMPORTER_CERTIFICATE_STORE = $Store
    $said = New-TemporaryFile
    $ErrorActionPreference = 'Continue'
    try {
        $printed = & $Command @Arguments 2> $said.FullName | Out-String
        [pscustomobject] @{ Status = $LASTEXITCODE; Printed = $printed; Said = (Get-Content $said.FullName -Raw) }
    } finally {
        Remove-Item $said.FullName
    }
}

$before = $env:MAIL_IMPORTER_CERTIFICATE_STORE
$made = $null
try {
    if (-not $Thumbprint) {
        $Location = 'CurrentUser'
        $made = New-SelfSignedCertificate -Subject 'CN=mail-importer trial' -CertStoreLocation Cert:\CurrentUser\My `
            -Provider 'Microsoft Software Key Storage Provider' -KeyAlgorithm RSA -KeyLength 3072 `
            -KeyExportPolicy NonExportable -KeyUsage DigitalSignature -NotAfter (Get-Date).AddDays(1)
        $Thumbprint = $made.Thumbprint
    }
    $Thumbprint = ($Thumbprint -replace '[^0-9A-Fa-f]', '').ToUpperInvariant()
    $other = if ($Location -eq 'LocalMachine') { 'CurrentUser' } else { 'LocalMachine' }

    Step "Windows finds the certificate in $Location\My" {
        $script:Certificate = Get-Item "Cert:\$Location\My\$Thumbprint"
        $script:Certificate.Subject
    }
    Step 'Windows signs with its key by RSASSA-PSS and SHA-256' {
        if (-not $script:Certificate.HasPrivateKey) { throw 'Only the public part is in the store.' }
        $extensions = [System.Security.Cryptography.X509Certificates.RSACertificateExtensions]
        $key = $extensions::GetRSAPrivateKey($script:Certificate)
        $data = [System.Text.Encoding]::UTF8.GetBytes('trial')
        $hash = [System.Security.Cryptography.HashAlgorithmName]::SHA256
        $padding = [System.Security.Cryptography.RSASignaturePadding]::Pss
        $signature = $key.SignData($data, $hash, $padding)
        if (-not $extensions::GetRSAPublicKey($script:Certificate).VerifyData($data, $signature, $hash, $padding)) {
            throw 'The signature does not verify: the key belongs to another certificate.'
        }
        if ($key -is [System.Security.Cryptography.RSACng]) { "$($key.Key.Provider), export: $($key.Key.ExportPolicy)" }
    }
    Step 'mail-importer finds it, and signs with its key' {
        $result = Invoke-Importer "windows:$Location/My" @('certificates', 'show', $Thumbprint, '--json')
        if ($result.Status -ne 0) { throw $result.Said }
        $shown = $result.Printed | ConvertFrom-Json
        if ($shown.thumbprint -ne $Thumbprint) { throw "It found $($shown.thumbprint)." }
        if ($shown.fault) { throw "$($shown.fault): $($shown.problem)" }
        if (-not ($shown.private_key -and $shown.key_readable -and $shown.key_matches)) { throw 'The key does not serve.' }
        "trust: $($shown.trust), days left: $($shown.days_left)"
    }
    if (-not (Test-Path "Cert:\$other\My\$Thumbprint")) {
        Step "mail-importer reports where it is when asked for $other\My" {
            $result = Invoke-Importer "windows:$other/My" @('certificates', 'show', $Thumbprint)
            if ($result.Status -ne 1 -or $result.Said -notmatch "windows:$Location/My") { throw $result.Said }
        }
    }
    Step 'mail-importer lists what is there when a certificate is not' {
        $result = Invoke-Importer "windows:$Location/My" @('certificates', 'show', ('0' * 40))
        if ($result.Status -ne 1 -or ($result.Said -replace '\s', '') -notmatch $Thumbprint) { throw $result.Said }
    }
} finally {
    $env:MAIL_IMPORTER_CERTIFICATE_STORE = $before
    if ($made) { Remove-Item "Cert:\CurrentUser\My\$($made.Thumbprint)" -DeleteKey }
}
exit [int] ($script:Failures -gt 0)
