{{- /* What the schema of the values cannot express; each text names the value to set. */}}
{{- define "mail-importer.checks" -}}
{{- $values := .Values }}
{{- $keys := ternary (keys $values.keyVault.secrets) $values.secrets.keys (ne $values.keyVault.name "") }}
{{- if and $values.secrets.keys (not $values.secrets.existingSecret) (not $values.keyVault.name) }}
{{- fail "secrets.existingSecret: name the Secret that holds secrets.keys, or set secrets.keys to [] where no setting is secret" }}
{{- end }}
{{- if and $values.keyVault.name (not $values.workloadIdentity.enabled) }}
{{- fail "workloadIdentity.enabled: the CSI driver reads keyVault as that identity" }}
{{- end }}
{{- if not (or (has "database_url" $keys) $values.settings.database_url) }}
{{- $roles := include "mail-importer.roles" . | fromJsonArray }}
{{- $alone := and (eq (len $roles) 1) (has "receiver" $roles) (eq (default "database" $values.settings.queue) "servicebus") (not $values.migration.enabled) }}
{{- if not $alone }}{{ fail "secrets.keys: database_url is missing; or set settings.database_url, without a password" }}{{ end }}
{{- end }}
{{- if hasPrefix "sqlite" (default "" $values.settings.database_url) }}
{{- fail "settings.database_url: SQLite serves one host; pods need SQL Server or PostgreSQL" }}
{{- end }}
{{- if and (eq (default "database" $values.settings.queue) "servicebus") $values.receiver.enabled (not (has "client_state_secret" $keys)) }}
{{- fail "secrets.keys: client_state_secret is missing, which a receiver needs that has no database" }}
{{- end }}
{{- if and $values.receiver.ingress.enabled $values.receiver.httpRoute.enabled }}
{{- fail "receiver.httpRoute.enabled: choose it or receiver.ingress.enabled" }}
{{- end }}
{{- if and $values.console.enabled (not $values.console.ingress.enabled) (not $values.settings.console_url) (not $values.console.settings.console_url) (not $values.console.settings.console_tls_cert) }}
{{- fail "console.ingress.enabled: or set console.settings.console_url to the address of the TLS proxy in front of it" }}
{{- end }}
{{- if and $values.delivery.enabled (not $values.delivery.folders) (not $values.delivery.settings.delivery_roots) }}
{{- fail "delivery.folders: name the import folders" }}
{{- end }}
{{- with $values.processor.autoscaling }}
{{- if .enabled }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}{{ fail "processor.autoscaling.minReplicas: is above maxReplicas" }}{{ end }}
{{- if not (or .existingSecret .workloadIdentity) }}{{ fail "processor.autoscaling.existingSecret: name the Secret of KEDA's connection, or set processor.autoscaling.workloadIdentity" }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
