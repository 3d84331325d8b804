module provisioning.dev/extension-operator

go 1.26.0

// Not built: test/chart reads their CustomResourceDefinitions, to try what the chart makes of such.
require (
	github.com/cert-manager/cert-manager v1.21.2
	github.com/prometheus-operator/prometheus-operator v0.85.0
)
