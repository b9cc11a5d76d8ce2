{{- define "pullsecrets.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* At most 55 characters: a Service has 63, and one of them gets `-metrics`. */}}
{{- define "pullsecrets.fullname" -}}
{{- $name := .Release.Name }}
{{- if .Values.fullnameOverride }}
{{- $name = .Values.fullnameOverride }}
{{- else if not (contains (default .Chart.Name .Values.nameOverride) .Release.Name) }}
{{- $name = printf "%s-%s" .Release.Name (default .Chart.Name .Values.nameOverride) }}
{{- end }}
{{- $name | trunc 55 | trimSuffix "-" }}
{{- end }}

{{- /* What selects the Pods: as in config/manager, so that a release can take over such an installation. */}}
{{- define "pullsecrets.selector" -}}
app.kubernetes.io/name: {{ include "pullsecrets.name" . }}
{{- end }}

{{- /* The affinity. A term for Pods without `labelSelector` selects these Pods. */}}
{{- define "pullsecrets.affinity" -}}
{{- $affinity := deepCopy .Values.affinity }}
{{- $own := dict "matchLabels" (include "pullsecrets.selector" . | fromYaml) }}
{{- range $kind := list "podAffinity" "podAntiAffinity" }}
{{- $terms := dig $kind "requiredDuringSchedulingIgnoredDuringExecution" list $affinity }}
{{- range dig $kind "preferredDuringSchedulingIgnoredDuringExecution" list $affinity }}
{{- $terms = append $terms .podAffinityTerm }}
{{- end }}
{{- range $terms }}
{{- if not .labelSelector }}
{{- $_ := set . "labelSelector" $own }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml $affinity }}
{{- end }}

{{- define "pullsecrets.labels" -}}
{{- $own := dict
      "app.kubernetes.io/name" (include "pullsecrets.name" .)
      "app.kubernetes.io/instance" .Release.Name
      "app.kubernetes.io/version" .Chart.AppVersion
      "app.kubernetes.io/managed-by" .Release.Service
      "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") }}
{{- merge $own .Values.commonLabels | toYaml }}
{{- end }}

{{- /* name, namespace and labels of an object; `suffix` follows the name, `more` are labels. */}}
{{- define "pullsecrets.metadata" -}}
name: {{ include "pullsecrets.fullname" .root }}{{ .suffix }}
namespace: {{ .root.Release.Namespace }}
{{ include "pullsecrets.cluster-metadata-labels" . }}
{{- end }}

{{- define "pullsecrets.cluster-metadata" -}}
name: {{ include "pullsecrets.fullname" .root }}{{ .suffix }}
{{ include "pullsecrets.cluster-metadata-labels" . }}
{{- end }}

{{- define "pullsecrets.cluster-metadata-labels" -}}
labels:
  {{- merge (include "pullsecrets.labels" .root | fromYaml) (default dict .more) | toYaml | nindent 2 }}
{{- end }}

{{- /*
The objects in a file that `config` ships as well, under the names of this release. Such a file says pullsecrets-system
where it means the operator's namespace, and names the operator's account and the protected namespaces by it.
*/}}
{{- define "pullsecrets.shipped" -}}
{{- $root := .root }}
{{- $name := include "pullsecrets.fullname" $root }}
{{- $selector := printf "app.kubernetes.io/name=%s" (include "pullsecrets.name" $root) }}
{{- $allowed := printf "- name: allowedKeys\n    expression: '%s'" (toJson $root.Values.admission.allowedKeys) }}
{{- $protected := prepend $root.Values.sourceNamespaces $root.Release.Namespace | uniq | join "', '" }}
{{- range splitList "\n---\n" ($root.Files.Get .file | required (printf "%s is missing" .file)) }}
{{- /* Each place first gets a mark of its own, because a namespace may contain the text that it replaces. */}}
{{- $object := .
      | replace "pullsecrets-system" "@namespace@"
      | replace "system:serviceaccount:@namespace@:pullsecrets'" "system:serviceaccount:@namespace@:@account@'"
      | replace "'@namespace@']" "'@protected@']"
      | replace "app.kubernetes.io/name=pullsecrets" $selector
      | replace "@account@" $name
      | replace "@protected@" $protected
      | replace "@namespace@" $root.Release.Namespace
      | replace "- name: allowedKeys\n    expression: \"[]\"" $allowed
      | fromYaml }}
{{- if $object.Error }}
{{- fail (printf "%s: %s" $.file $object.Error) }}
{{- end }}
{{- $labels := include "pullsecrets.labels" $root | fromYaml }}
{{- if not $object.metadata.labels }}
{{- /* The definition has none, since it belongs to all installations. */}}
{{- $labels = omit $labels "app.kubernetes.io/name" }}
{{- end }}
{{- $_ := set $object.metadata "labels" (merge $labels (default dict $.labels)) }}
{{- if $.renamed }}
{{- $_ := set $object.metadata "name" (print $name (trimPrefix "pullsecrets" $object.metadata.name)) }}
{{- with $object.spec.policyName }}
{{- $_ := set $object.spec "policyName" (print $name (trimPrefix "pullsecrets" .)) }}
{{- end }}
{{- end }}
{{- with $.annotations }}
{{- $_ := set $object.metadata "annotations" . }}
{{- end }}
---
{{ toYaml $object }}
{{- end }}
{{- end }}

{{- define "pullsecrets.image" -}}
{{- with .Values.image }}
{{- if .digest }}
{{- printf "%s@%s" .repository .digest }}
{{- else }}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "pullsecrets.serves-metrics" -}}
{{- if ne .Values.metricsBindAddress "0" }}yes{{ end }}
{{- end }}

{{- define "pullsecrets.metrics-port" -}}
{{- regexFind "[0-9]+$" .Values.metricsBindAddress }}
{{- end }}

{{- /* The flags that are not as the operator has them by itself, as a list. */}}
{{- define "pullsecrets.flags" -}}
{{- with .Values.sourceNamespaces }}
- --source-namespaces={{ join "," . }}
{{- end }}
{{- if ne .Values.healthBindAddress "0.0.0.0:8081" }}
- {{ printf "--health-bind-address=%s" .Values.healthBindAddress | quote }}
{{- end }}
{{- if ne .Values.metricsBindAddress "0.0.0.0:8080" }}
- {{ printf "--metrics-bind-address=%s" .Values.metricsBindAddress | quote }}
{{- end }}
{{- if ne (int .Values.concurrency) 32 }}
- --concurrency={{ int .Values.concurrency }}
{{- end }}
{{- if ne (int .Values.relistInterval) 3600 }}
- --relist-interval={{ int .Values.relistInterval }}
{{- end }}
{{- if not .Values.leaderElect }}
- --leader-elect=false
{{- end }}
{{- if ne .Values.log.format "text" }}
- --log-format={{ .Values.log.format }}
{{- end }}
{{- end }}
