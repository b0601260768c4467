{{- define "mail-importer.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- /* At most 40 characters, so that a suffix stays within the 63 of a label. */}}
{{- define "mail-importer.fullname" -}}
{{- $name := include "mail-importer.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- /* Roles that are long-running, as a JSON list. */}}
{{- define "mail-importer.roles" -}}
{{- $enabled := list }}
{{- range $role := list "receiver" "subscriptions" "processor" "delivery" "console" }}
{{- if (index $.Values $role).enabled }}{{ $enabled = append $enabled $role }}{{ end }}
{{- end }}
{{- toJson $enabled }}
{{- end }}

{{- define "mail-importer.selector" -}}
app.kubernetes.io/name: {{ include "mail-importer.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .role }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{- define "mail-importer.labels" -}}
{{ include "mail-importer.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: mail-importer
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- /* Objects that the hook job needs exist before those of the release: hooks too, of an earlier weight. */}}
{{- define "mail-importer.hook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ .weight | quote }}
helm.sh/hook-delete-policy: {{ .policy }}
{{- end }}

{{- define "mail-importer.metadata" -}}
name: {{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "mail-importer.labels" . | nindent 2 }}
{{- if eq (default "" .role) "migration" }}
annotations:
  {{- include "mail-importer.hook" (dict "weight" "-10" "policy" "before-hook-creation,hook-succeeded") | nindent 2 }}
{{- end }}
{{- end }}

{{- define "mail-importer.image" -}}
{{- $image := .Values.image }}
{{- $repository := required "image.repository: name the repository of the image, such as registry.example.com/mail-importer" $image.repository }}
{{- if $image.digest }}
{{- printf "%s@%s" $repository $image.digest }}
{{- else if $image.tag }}
{{- printf "%s:%s" $repository $image.tag }}
{{- else if eq .Chart.AppVersion "0.0.0" }}
{{- fail "image.tag: name the tag, or image.digest; this chart was packed without a version" }}
{{- else }}
{{- printf "%s:%s" $repository .Chart.AppVersion }}
{{- end }}
{{- end }}

{{- /* One account for the receiver, which the internet reaches, one for the job, which changes the schema, one for the rest. */}}
{{- define "mail-importer.serviceAccount" -}}
{{- $name := include "mail-importer.fullname" .root }}
{{- if has .role (list "receiver" "migration") }}{{ printf "%s-%s" $name .role }}{{ else }}{{ $name }}{{ end }}
{{- end }}

{{- define "mail-importer.clientId" -}}
{{- $identity := .root.Values.workloadIdentity }}
{{- $own := "" }}
{{- if eq .role "receiver" }}{{ $own = $identity.receiverClientId }}{{ end }}
{{- if eq .role "migration" }}{{ $own = $identity.migrationClientId }}{{ end }}
{{- required "workloadIdentity.clientId: name the client id of the identity" (default $identity.clientId $own) }}
{{- end }}

{{- define "mail-importer.publicHost" -}}
{{- $receiver := .Values.receiver }}
{{- if and $receiver.enabled $receiver.ingress.enabled }}
{{- $receiver.ingress.host }}
{{- else if and $receiver.enabled $receiver.httpRoute.enabled }}
{{- $receiver.httpRoute.host }}
{{- end }}
{{- end }}

{{- /* Settings as the values have them, of one role, as JSON. */}}
{{- define "mail-importer.given" -}}
{{- mustMergeOverwrite (dict) (deepCopy .root.Values.settings) (deepCopy (index .root.Values .role).settings) | toJson }}
{{- end }}

{{- /* `yes` where the role signs in with a certificate of the store. */}}
{{- define "mail-importer.usesCertificates" -}}
{{- $given := include "mail-importer.given" . | fromJson }}
{{- if has .role (list "subscriptions" "processor" "console") }}yes
{{- else if eq .role "receiver" }}{{ if or $given.servicebus_thumbprint (and (ne (default "database" $given.queue) "servicebus") $given.database_thumbprint) }}yes{{ end }}
{{- else if $given.database_thumbprint }}yes{{ end }}
{{- end }}

{{- define "mail-importer.certificatesSecret" -}}
{{- if include "mail-importer.usesCertificates" . }}
{{- default .root.Values.certificates.existingSecret (index .root.Values .role).certificatesSecret }}
{{- end }}
{{- end }}

{{- /* Names of the secret settings that a role gets, as a JSON list: a process without a secret cannot leak it. */}}
{{- define "mail-importer.secretKeys" -}}
{{- $values := .root.Values }}
{{- $given := include "mail-importer.given" . | fromJson }}
{{- $inBus := eq (default "database" $given.queue) "servicebus" }}
{{- $wanted := list }}
{{- if not (and (eq .role "receiver") $inBus) }}{{ $wanted = append $wanted "database_url" }}{{ end }}
{{- if not (has .role (list "delivery" "migration")) }}{{ $wanted = append $wanted "servicebus_connection_string" }}{{ end }}
{{- if has .role (list "receiver" "subscriptions") }}{{ $wanted = concat $wanted (list "client_state_secret" "client_state_secret_previous") }}{{ end }}
{{- if include "mail-importer.usesCertificates" . }}{{ $wanted = append $wanted "certificate_password" }}{{ end }}
{{- if has .role (list "subscriptions" "processor" "console") }}{{ $wanted = append $wanted "alerts" }}{{ end }}
{{- $held := ternary (keys $values.keyVault.secrets | sortAlpha) $values.secrets.keys (ne $values.keyVault.name "") }}
{{- $found := list }}
{{- range $held }}{{ if has . $wanted }}{{ $found = append $found . }}{{ end }}{{ end }}
{{- toJson $found }}
{{- end }}

{{- /* `csi`, the name of a Secret, or nothing. */}}
{{- define "mail-importer.secretSource" -}}
{{- $keys := include "mail-importer.secretKeys" . | fromJsonArray }}
{{- $own := (index .root.Values .role).existingSecret }}
{{- if $keys }}
{{- if $own }}{{ $own }}
{{- else if .root.Values.keyVault.name }}csi
{{- else }}{{ .root.Values.secrets.existingSecret }}{{ end }}
{{- end }}
{{- end }}

{{- define "mail-importer.certificateSource" -}}
{{- $own := (index .root.Values .role).certificatesSecret }}
{{- if include "mail-importer.usesCertificates" . }}
{{- if $own }}{{ $own }}
{{- else if and .root.Values.keyVault.name .root.Values.keyVault.certificates }}csi
{{- else }}{{ .root.Values.certificates.existingSecret }}{{ end }}
{{- end }}
{{- end }}

{{- /* The settings of a role, as TOML. A JSON string, number or Boolean is one of TOML, too. */}}
{{- define "mail-importer.toml" -}}
{{- $values := .root.Values }}
{{- $given := include "mail-importer.given" . | fromJson }}
{{- $settings := dict "log_format" "json" "metrics_host" $values.listenAddress "metrics_port" 9464 }}
{{- if include "mail-importer.certificateSource" . }}{{ $_ := set $settings "certificate_store" "/etc/mail-importer/certificates" }}{{ end }}
{{- $host := include "mail-importer.publicHost" .root }}
{{- if and $host (has .role (list "receiver" "subscriptions" "console")) }}{{ $_ := set $settings "notification_url" (printf "https://%s" $host) }}{{ end }}
{{- if eq .role "receiver" }}
{{- $_ := set $settings "receiver_port" 8080 }}
{{- $_ := set $settings "receiver_connections_per_address" 0 }}
{{- else if eq .role "console" }}
{{- $_ := set $settings "console_host" $values.listenAddress }}
{{- $_ := set $settings "console_port" 8081 }}
{{- if $values.console.ingress.enabled }}{{ $_ := set $settings "console_url" (printf "https://%s" $values.console.ingress.host) }}{{ end }}
{{- else if eq .role "delivery" }}
{{- $paths := list }}
{{- range $values.delivery.folders }}{{ $paths = append $paths .mountPath }}{{ end }}
{{- if $paths }}{{ $_ := set $settings "delivery_roots" (join ";" $paths) }}{{ end }}
{{- end }}
{{- $settings = mustMergeOverwrite $settings $given }}
{{- range $name, $value := $settings }}
{{- $hidden := and (eq $.role "receiver") (eq (default "database" $given.queue) "servicebus") (hasPrefix "database_" $name) }}
{{- /* Roles without the queue have no secret of it, without which its settings would be wrong. */}}
{{- if has $.role (list "delivery" "migration") }}{{ $hidden = or (eq $name "queue") (hasPrefix "servicebus_" $name) }}{{ end }}
{{- if not (or $hidden (kindIs "invalid" $value)) }}
{{ $name }} = {{ toJson $value }}
{{- end }}
{{- end }}
{{- end }}

{{- /* `pod`, overridden by that of the role; lists of `extra…` are added up. As JSON. */}}
{{- define "mail-importer.pod" -}}
{{- $common := .root.Values.pod }}
{{- $own := (index .root.Values .role).pod }}
{{- $pod := mustMergeOverwrite (deepCopy $common) (deepCopy $own) }}
{{- range $name := list "extraEnv" "extraVolumes" "extraVolumeMounts" }}
{{- if hasKey $own $name }}{{ $_ := set $pod $name (concat (index $common $name) (index $own $name)) }}{{ end }}
{{- end }}
{{- toJson $pod }}
{{- end }}

{{- /* A pod of a role, from `metadata` on. `command`: the arguments of mail-importer. */}}
{{- define "mail-importer.podTemplate" -}}
{{- $root := .root }}
{{- $role := .role }}
{{- $values := $root.Values }}
{{- $own := index $values $role }}
{{- $pod := include "mail-importer.pod" . | fromJson }}
{{- $keys := include "mail-importer.secretKeys" . | fromJsonArray }}
{{- $secrets := include "mail-importer.secretSource" . }}
{{- $certificates := include "mail-importer.certificateSource" . }}
{{- $identity := $values.workloadIdentity }}
{{- $name := printf "%s-%s" (include "mail-importer.fullname" $root) $role }}
metadata:
  labels:
    {{- include "mail-importer.labels" . | nindent 4 }}
    {{- if and $identity.enabled (eq $identity.mode "webhook") }}
    azure.workload.identity/use: "true"
    {{- end }}
    {{- with $pod.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    # A change of the settings starts the pods anew: they are read once.
    checksum/settings: {{ include "mail-importer.toml" . | sha256sum }}
    kubectl.kubernetes.io/default-container: {{ $role }}
    {{- with $pod.annotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "mail-importer.serviceAccount" . }}
  automountServiceAccountToken: false
  # Variables of services, such as MAIL_IMPORTER_CONSOLE_PORT=tcp://…, would be taken for settings.
  enableServiceLinks: false
  {{- with $values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    {{- if not (kindIs "invalid" $pod.fsGroup) }}
    fsGroup: {{ $pod.fsGroup | int64 }}
    fsGroupChangePolicy: OnRootMismatch
    {{- end }}
    seccompProfile:
      type: RuntimeDefault
  terminationGracePeriodSeconds: {{ $pod.terminationGracePeriodSeconds | int64 }}
  {{- with $pod.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $pod.runtimeClassName }}
  runtimeClassName: {{ . }}
  {{- end }}
  {{- with $pod.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $pod.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $pod.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if and $pod.topologySpreadConstraints (ne $role "migration") }}
  topologySpreadConstraints:
    {{- range $pod.topologySpreadConstraints }}
    - {{ toYaml . | nindent 6 | trim }}
      matchLabelKeys: [pod-template-hash]
      labelSelector:
        matchLabels:
          {{- include "mail-importer.selector" $ | nindent 10 }}
    {{- end }}
  {{- end }}
  {{- if eq $role "migration" }}
  restartPolicy: Never
  {{- end }}
  containers:
    - name: {{ $role }}
      image: {{ include "mail-importer.image" $root }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      args: {{ toJson .command }}
      env:
        - name: MAIL_IMPORTER_CONFIG
          value: /etc/mail-importer/settings/mail-importer.toml
        {{- if $secrets }}
        - name: MAIL_IMPORTER_SECRETS
          value: /etc/mail-importer/secrets
        {{- end }}
        {{- if eq $role "receiver" }}
        # The image has this variable, which would win over the file.
        - name: MAIL_IMPORTER_RECEIVER_HOST
          value: {{ $values.listenAddress | quote }}
        {{- end }}
        {{- if and $identity.enabled (eq $identity.mode "projected") }}
        - name: AZURE_CLIENT_ID
          value: {{ include "mail-importer.clientId" . | quote }}
        - name: AZURE_TENANT_ID
          value: {{ required "workloadIdentity.tenantId: name the tenant of the identity" $identity.tenantId | quote }}
        - name: AZURE_FEDERATED_TOKEN_FILE
          value: /var/run/secrets/azure/tokens/azure-identity-token
        {{- end }}
        {{- with $pod.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- if ne $role "migration" }}
      ports:
        {{- if eq $role "receiver" }}
        - name: http
          containerPort: 8080
        {{- else if eq $role "console" }}
        - name: http
          containerPort: 8081
        {{- end }}
        - name: metrics
          containerPort: 9464
      # The start includes the first answer of the database, for which database_login_timeout is the limit.
      startupProbe:
        httpGet: {path: /health/live, port: metrics}
        periodSeconds: 2
        timeoutSeconds: 5
        failureThreshold: 60
      # Alone this one restarts a pod: it answers while the database or the queue is away.
      livenessProbe:
        httpGet: {path: /health/live, port: metrics}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        {{- if eq $role "console" }}
        # The console shows by itself that the database is away.
        httpGet: {path: /health/live, port: metrics}
        {{- else }}
        httpGet: {path: /health/ready, port: metrics}
        {{- end }}
        periodSeconds: 10
        timeoutSeconds: 11
        failureThreshold: 2
      {{- end }}
      {{- if $own.preStopSeconds }}
      lifecycle:
        preStop:
          exec: {command: [sleep, {{ $own.preStopSeconds | int64 | toString | quote }}]}
      {{- end }}
      resources:
        {{- toYaml $own.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        privileged: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      volumeMounts:
        - {name: settings, mountPath: /etc/mail-importer/settings, readOnly: true}
        {{- if $secrets }}
        - {name: secrets, mountPath: /etc/mail-importer/secrets, readOnly: true}
        {{- end }}
        {{- if $certificates }}
        - {name: certificates, mountPath: /etc/mail-importer/certificates, readOnly: true}
        {{- end }}
        - {name: tmp, mountPath: /tmp}
        - {name: home, mountPath: /var/lib/mail-importer}
        {{- if and $identity.enabled (eq $identity.mode "projected") }}
        - {name: azure-identity-token, mountPath: /var/run/secrets/azure/tokens, readOnly: true}
        {{- end }}
        {{- if eq $role "delivery" }}
        {{- range $values.delivery.folders }}
        - {name: {{ printf "folder-%s" .name }}, mountPath: {{ .mountPath }}}
        {{- end }}
        {{- end }}
        {{- with $pod.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: settings
      configMap: {name: {{ $name }}}
    {{- if eq $secrets "csi" }}
    - name: secrets
      csi:
        driver: secrets-store.csi.k8s.io
        readOnly: true
        volumeAttributes: {secretProviderClass: {{ $name }}-secrets}
    {{- else if $secrets }}
    - name: secrets
      secret:
        secretName: {{ $secrets }}
        defaultMode: 288 # 0440
        items:
          {{- range $keys }}
          - {key: {{ . }}, path: {{ . }}}
          {{- end }}
    {{- end }}
    {{- if eq $certificates "csi" }}
    - name: certificates
      csi:
        driver: secrets-store.csi.k8s.io
        readOnly: true
        volumeAttributes: {secretProviderClass: {{ $name }}-certificates}
    {{- else if $certificates }}
    - name: certificates
      secret: {secretName: {{ $certificates }}, defaultMode: 288} # 0440
    {{- end }}
    - name: tmp
      emptyDir: {sizeLimit: {{ $own.tmpSize }}}
    - name: home
      emptyDir: {sizeLimit: 64Mi}
    {{- if and $identity.enabled (eq $identity.mode "projected") }}
    - name: azure-identity-token
      projected:
        defaultMode: 288 # 0440
        sources:
          - serviceAccountToken: {audience: "api://AzureADTokenExchange", path: azure-identity-token, expirationSeconds: 3600}
    {{- end }}
    {{- if eq $role "delivery" }}
    {{- range $values.delivery.folders }}
    - name: {{ printf "folder-%s" .name }}
      persistentVolumeClaim: {claimName: {{ default (printf "%s-%s" (include "mail-importer.fullname" $root) .name) .existingClaim }}}
    {{- end }}
    {{- end }}
    {{- with $pod.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
