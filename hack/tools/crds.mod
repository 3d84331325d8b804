module provisioning.dev/extension-operator

go 1.26.0

// Not built: tests read their CustomResourceDefinitions, to show an API server that has them what is made of such.
require (
	github.com/argoproj/argo-cd/v3 v3.5.7
	github.com/cert-manager/cert-manager v1.21.2
	github.com/controlplaneio-fluxcd/flux-operator v0.58.0
	github.com/prometheus-operator/prometheus-operator v0.85.0
)
