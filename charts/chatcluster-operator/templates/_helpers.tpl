{{/* The name of everything that is one of a kind in the release's namespace. */}}
{{- define "operator.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 53 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 53 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{/* The name of what is there once in the whole cluster: roles, whose names may be as long as this gets. */}}
{{- define "operator.clusterName" -}}
{{ .Release.Namespace }}-{{ include "operator.name" . }}
{{- end -}}

{{- define "operator.serviceAccount" -}}
{{- if not (or .Values.serviceAccount.create .Values.serviceAccount.name) -}}
{{- fail "serviceAccount.create is false, so serviceAccount.name has to name an account that exists" -}}
{{- end -}}
{{ .Values.serviceAccount.name | default (include "operator.name" .) }}
{{- end -}}

{{/* What finds the operator's pods. NetworkPolicies of ChatClusters let in pods with this name. */}}
{{- define "operator.selector" -}}
app.kubernetes.io/name: chatcluster-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "operator.labels" -}}
{{ include "operator.selector" . }}
app.kubernetes.io/component: operator
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Why nothing can be installed without an image, and how to come by one. */}}
{{- define "operator.noImage" -}}
image.repository is not set, and there is no public image of ChatCluster. Build it:
  make images                         # writes chatcluster.tar into ~/.cache/chatcluster/images
give it to your nodes, for a kind cluster by
  kind load image-archive ~/.cache/chatcluster/images/chatcluster.tar
elsewhere by `docker load --input` of that file, then `docker tag` and `docker push` to your registry;
and name it:
  --set image.repository=localhost/chatcluster --set image.tag=dev
{{- end -}}

{{- define "operator.image" -}}
{{- if not .Values.image.repository -}}
{{- include "operator.noImage" . | printf "\n\n%s\n" | fail -}}
{{- end -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* No privileges at all: the "restricted" level of Pod Security, and a root that is read only. */}}
{{- define "operator.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}
{{- define "operator.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}
