{{/*
A Deployment of the operator. Takes a dict:
  root       the chart's root
  name       of the Deployment
  component  manager or installer
  values     .Values.manager or .Values.installations
  controller which one it runs
  env        further variables, as pairs of name and value
  api        whether it serves the REST API
*/}}
{{- define "extension-operator.deployment" -}}
{{- $root := .root }}
{{- $v := $root.Values }}
{{- $secret := "" }}
{{- if .api }}{{ $secret = include "extension-operator.apiSecret" $root }}{{ end }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "extension-operator.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
  {{- with .values.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  replicas: {{ .values.replicas }} # one leads; another takes over
  selector:
    matchLabels:
      app.kubernetes.io/name: extension-operator
      app.kubernetes.io/component: {{ .component }}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: extension-operator
        app.kubernetes.io/part-of: extension-operator
        app.kubernetes.io/instance: {{ $root.Release.Name }}
        app.kubernetes.io/component: {{ .component }}
        {{- with .values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      annotations:
        kubectl.kubernetes.io/default-container: manager
        {{- with $v.config }}
        checksum/config: {{ sha256sum . }} # a change of the file takes a restart
        {{- end }}
        {{- with .values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ .values.serviceAccount.name }}
      enableServiceLinks: false # else a Service called extop gives variables that begin as those of settings do
      terminationGracePeriodSeconds: 40 # a load may take 30 s and is ended before
      {{- with $v.image.pullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- with .values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .values.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .values.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        {{- toYaml $v.podSecurityContext | nindent 8 }}
      {{- if .values.topologySpread.enabled }}
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: {{ .values.topologySpread.topologyKey }}
        whenUnsatisfiable: {{ .values.topologySpread.whenUnsatisfiable }}
        matchLabelKeys: [pod-template-hash] # else the pods before an upgrade count too
        labelSelector:
          matchLabels:
            app.kubernetes.io/name: extension-operator
            app.kubernetes.io/component: {{ .component }}
      {{- end }}
      containers:
      - name: manager
        image: {{ include "extension-operator.image" $root }}
        {{- with $v.image.pullPolicy }}
        imagePullPolicy: {{ . }}
        {{- end }}
        args:
        - --controllers={{ .controller }}
        - --leader-elect=true
        {{- if $v.metrics.enabled }}
        - --metrics-bind-address=:8443
        {{- if not $v.metrics.secure }}
        - --metrics-secure=false
        {{- end }}
        {{- else }}
        - --metrics-bind-address=0
        {{- end }}
        - --health-probe-bind-address=:8081
        {{- if .api }}
        - --api-bind-address=:8090
        {{- if $secret }}
        - --api-tls-cert-file=/etc/extension-operator/tls/tls.crt
        - --api-tls-key-file=/etc/extension-operator/tls/tls.key
        {{- end }}
        {{- else if eq .component "manager" }}
        - --api-bind-address=0
        {{- end }}
        {{- include "extension-operator.argsOfLibraries" $root | nindent 8 }}
        {{- if $v.config }}
        - --config=/etc/extension-operator/config/config.toml
        {{- end }}
        {{- range .values.extraArgs }}
        - {{ . | quote }}
        {{- end }}
        env:
        - name: GOMEMLIMIT # the manager's own share; the rest of the limit is Nushell's
          value: {{ .values.memory.goMiB }}MiB
        - name: EXTOP_LOADING_SANDBOX
          value: {{ $v.sandbox }}
        - name: EXTOP_LOADING_LOAD_SLOTS
          value: {{ .values.memory.loadSlots | quote }}
        - name: EXTOP_LIMITS_LOAD_MEMORY_MIB # of each slot
          value: {{ .values.memory.perLoadMiB | quote }}
        {{- range .env }}
        - name: {{ first . }}
          value: {{ last . | quote }}
        {{- end }}
        {{- with .values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        ports:
        {{- if $v.metrics.enabled }}
        - name: metrics
          containerPort: 8443
        {{- end }}
        - name: probes
          containerPort: 8081
        {{- if .api }}
        - name: api
          containerPort: 8090
        {{- end }}
        livenessProbe:
          httpGet:
            path: /healthz
            port: probes
          initialDelaySeconds: 15
          periodSeconds: 20
          timeoutSeconds: 5 # a node that is busy is no reason to start it again
        readinessProbe:
          httpGet:
            path: /readyz
            port: probes
          periodSeconds: 10
          timeoutSeconds: 5
        resources:
          requests:
            {{- toYaml .values.resources.requests | nindent 12 }}
          limits:
            {{- with .values.resources.limits }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
            memory: {{ include "extension-operator.memoryLimit" .values.memory }} # GOMEMLIMIT, the load slots, and a reserve
        securityContext:
          allowPrivilegeEscalation: false
          privileged: false
          readOnlyRootFilesystem: true
          capabilities:
            drop: [ALL]
        volumeMounts:
        - name: data
          mountPath: /var/lib/extension-operator
        - name: tmp
          mountPath: /tmp
        {{- if $v.config }}
        - name: config # a folder: a subPath would never change
          mountPath: /etc/extension-operator/config
          readOnly: true
        {{- end }}
        {{- if $secret }}
        - name: api-tls
          mountPath: /etc/extension-operator/tls
          readOnly: true
        {{- end }}
        {{- range $v.libraries }}
        - name: library-{{ .name }}
          mountPath: /srv/libraries/{{ .name }}
          {{- with .subPath }}
          subPath: {{ . }}
          {{- end }}
          readOnly: true
        {{- end }}
        {{- with .values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      volumes:
      - name: data # losing it costs time, never correctness
        emptyDir:
          sizeLimit: {{ .values.dataSizeLimit }}
      - name: tmp
        emptyDir:
          sizeLimit: 64Mi
      {{- if $v.config }}
      - name: config
        configMap:
          name: extension-operator-config
      {{- end }}
      {{- if $secret }}
      - name: api-tls
        secret:
          secretName: {{ $secret }}
      {{- end }}
      {{- range $v.libraries }}
      - name: library-{{ .name }}
        {{- if .pvc }}
        persistentVolumeClaim:
          claimName: {{ .pvc.claimName }}
          readOnly: true
        {{- else if .configMap }}
        configMap:
          name: {{ .configMap.name }}
          items:
            {{- toYaml .configMap.items | nindent 12 }}
        {{- else }}
        image:
          reference: {{ .image.reference | quote }}
          {{- with .image.pullPolicy }}
          pullPolicy: {{ . }}
          {{- end }}
        {{- end }}
      {{- end }}
      {{- with .values.extraVolumes }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
{{- end }}

{{/* The libraries in their order: the first that has a name owns it. Without a choice nothing is said, and the config file may. */}}
{{- define "extension-operator.argsOfLibraries" -}}
{{- if or .Values.libraries (ne .Values.builtinLibrary "first") }}
{{- if eq .Values.builtinLibrary "first" }}
- --library=/usr/share/extension-operator/extensions
{{- end }}
{{- range .Values.libraries }}
- --library={{ .name }}=/srv/libraries/{{ .name }}
{{- end }}
{{- if eq .Values.builtinLibrary "last" }}
- --library=/usr/share/extension-operator/extensions
{{- end }}
{{- end }}
{{- end }}
