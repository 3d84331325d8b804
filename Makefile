# Targets for people and for CI. `make` lists them. Needs Go, git, npm and a C compiler (for the race detector); everything
# else is fetched or built, pinned and verified, and kept outside the tree (see `make assets`).
# Works with GNU make from 3.81 on, the one of macOS.

SHELL := /bin/sh
.DEFAULT_GOAL := help

# What `go test` gets: make test PACKAGES=./internal/store/ TESTFLAGS="-run Digest -v"
PACKAGES ?= ./...
TESTFLAGS ?=
BENCHFLAGS ?= -benchtime=1s
# Where generated files go, below it as in the tree.
GENERATED ?= .
# What the image and the manifests are called: make docker-build IMAGE=registry.example/extension-operator:v1
IMAGE ?= extension-operator:dev
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# What make image-tar builds for, linux/amd64 or linux/arm64; and the file with a static nu, where no npm package of one is pinned.
PLATFORM ?= linux/amd64
NUSHELL ?=
# A chart's version is a semantic one: make chart CHART_VERSION=1.2.3 VERSION=v1.2.3
CHART := charts/extension-operator
CHART_VERSION ?= $(shell sed -n 's/^version: //p' $(CHART)/Chart.yaml)
# Which specs make e2e runs, as a filter of ginkgo; all but scale where it is empty. KEEP=1 leaves the cluster there.
LABELS ?=

# Each tool has a module file of its own: one for all of them does not resolve.
CRD_REF_DOCS := go tool -modfile=hack/tools/crd-ref-docs.mod crd-ref-docs
CONTROLLER_GEN := go tool -modfile=hack/tools/controller-gen.mod controller-gen
GOLANGCI_LINT := go tool -modfile=hack/tools/golangci-lint.mod golangci-lint
HELM := go tool -modfile=hack/tools/helm.mod helm
HELM_DOCS := go tool -modfile=hack/tools/helm-docs.mod helm-docs
KUSTOMIZE := go tool -modfile=hack/tools/kustomize.mod kustomize
# Every program is built without cgo, and so from the same cached packages; only tests need it, for the race detector.
# Prints the exports that put Nushell and the control plane into a shell's environment.
ASSETS := CGO_ENABLED=0 go run ./hack/assets

##@ Develop

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-15s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: generate
generate: ## Generate the deepcopy functions of the API types
	$(CONTROLLER_GEN) object:headerFile=hack/boilerplate.go.txt paths=./api/v1alpha1 output:object:dir=$(GENERATED)/api/v1alpha1

.PHONY: manifests
manifests: ## Generate the CRDs and the controllers' RBAC roles
	$(CONTROLLER_GEN) crd paths=./api/... output:crd:dir=$(GENERATED)/config/crd/bases
	$(CONTROLLER_GEN) rbac:roleName=extension-manager paths=./internal/controller/... paths=./internal/inventory/... output:rbac:dir=$(GENERATED)/config/rbac
	$(CONTROLLER_GEN) rbac:roleName=extension-installer,fileName=installer_role.yaml paths=./internal/installation/... output:rbac:dir=$(GENERATED)/config/rbac

# What the chart has of config/, as the chart has it.
CHART_FILES := crds:crd/bases/extensions.provisioning.dev_extensions.yaml crds:crd/bases/extensions.provisioning.dev_installations.yaml \
	rbac:rbac/role.yaml rbac:rbac/installer_role.yaml rbac:rbac/leader_election_role.yaml rbac:rbac/installer_leader_election_role.yaml rbac:rbac/cache_role.yaml \
	rbac:rbac/metrics_auth_role.yaml rbac:rbac/metrics_reader_role.yaml \
	rbac:rbac/extension_admin_role.yaml rbac:rbac/extension_editor_role.yaml rbac:rbac/extension_viewer_role.yaml rbac:rbac/extension_api_user_role.yaml \
	rbac:rbac/installation_admin_role.yaml rbac:rbac/installation_editor_role.yaml rbac:rbac/installation_viewer_role.yaml \
	admission:rbac/reload_policy.yaml admission:admission/installation_account_policy.yaml admission:admission/installation_account_binding.yaml \
	uninstall:uninstall/service_account.yaml uninstall:uninstall/role.yaml uninstall:uninstall/role_binding.yaml \
	uninstall:uninstall/stop_role.yaml uninstall:uninstall/stop_role_binding.yaml

.PHONY: chart-files
chart-files: ## Copy CRDs, roles and policies of config/ into the chart
	@for entry in $(CHART_FILES); do \
		target=$(GENERATED)/$(CHART)/files/$${entry%%:*} && mkdir -p "$$target" && cp "config/$${entry#*:}" "$$target/" || exit 1; \
	done

.PHONY: helm-docs
helm-docs: ## Generate the README of the chart from its values
	$(HELM_DOCS) --chart-search-root=charts --output-file=README.md --template-files=README.md.gotmpl --log-level=warning

.PHONY: reference
reference: ## Generate the file of defaults, the references of settings and commands and the patch for Argo CD from their sources
	go test ./internal/config -run MadeOfTheTable -update
	go test ./test/argocd -run MadeOfTheScripts -update
	@exports=$$($(ASSETS)) && eval "$$exports" && go test ./test/docs -run MadeOfThePrograms -update

.PHONY: api-docs
api-docs: ## Generate docs/reference/api.md from the API types
	@mkdir -p $(GENERATED)/docs/reference
	$(CRD_REF_DOCS) --config=hack/tools/crd-ref-docs/config.yaml --templates-dir=hack/tools/crd-ref-docs --source-path=api/v1alpha1 \
		--renderer=markdown --output-path=$(GENERATED)/docs/reference/api.md --log-level=ERROR

.PHONY: fmt
fmt: ## Format the Go code
	gofmt -w .

.PHONY: lint
lint: ## Run golangci-lint
	$(GOLANGCI_LINT) run --allow-serial-runners

##@ Check

.PHONY: verify
verify: verify-generated verify-reference verify-format verify-manifests verify-chart verify-architecture verify-e2e lint ## Check generated files, format, manifests, chart, architecture and lint

.PHONY: verify-generated
verify-generated: # regenerates into a scratch folder and compares
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && \
	$(MAKE) -s generate manifests chart-files GENERATED="$$scratch" && \
	for file in $$(cd "$$scratch" && find . -type f); do \
		diff -u "$$file" "$$scratch/$$file" || { echo "$$file is not what is generated: run make generate manifests chart-files"; exit 1; }; \
	done

.PHONY: verify-reference
verify-reference: # holds what make reference writes against its sources
	go test -count=1 ./internal/config -run MadeOfTheTable
	go test -count=1 ./test/argocd -run MadeOfTheScripts
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && $(MAKE) -s api-docs GENERATED="$$scratch" && \
	diff -u docs/reference/api.md "$$scratch/docs/reference/api.md" || { echo "docs/reference/api.md is not what is generated: run make api-docs"; exit 1; }

.PHONY: verify-format
verify-format:
	@files=$$(gofmt -l .) && test -z "$$files" || { echo "not formatted, run make fmt: $$files"; exit 1; }

.PHONY: verify-manifests
verify-manifests: # that kustomize can build them; what they mean is for the tests
	@$(KUSTOMIZE) build config/default >/dev/null
	@for folder in . installations installations/hello installations/postgresql installations/buildkit gitops/app gitops/argocd/apps gitops/flux gitops/flux/operator; do \
		$(KUSTOMIZE) build config/samples/$$folder >/dev/null || exit; \
	done
	@$(KUSTOMIZE) build test/argocd/testdata >/dev/null
	@$(KUSTOMIZE) build config/uninstall >/dev/null

.PHONY: verify-chart
verify-chart: # what helm says of the chart, and that its README is of its values
	@$(HELM) lint --strict --quiet $(CHART)
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && cp -R charts "$$scratch/" && \
	$(HELM_DOCS) --chart-search-root="$$scratch/charts" --output-file=README.md --template-files=README.md.gotmpl --log-level=warning && \
	diff -u $(CHART)/README.md "$$scratch/$(CHART)/README.md" || { echo "run make helm-docs"; exit 1; }

.PHONY: verify-architecture
verify-architecture:
	go test -count=1 ./internal/architecture

.PHONY: verify-e2e
verify-e2e: # that the suite, which make test does not see, compiles
	go vet -tags=e2e ./test/e2e

.PHONY: test
test: ## Run every test with the race detector, against a real Nushell and API server
	@exports=$$($(ASSETS)) && eval "$$exports" && go run ./hack/gotest -race -timeout=20m $(TESTFLAGS) $(PACKAGES)

.PHONY: bench
bench: ## Run the benchmarks
	@exports=$$($(ASSETS)) && eval "$$exports" && go test -run='^$$' -bench=. -benchmem $(BENCHFLAGS) -timeout=30m $(PACKAGES)

##@ Run

.PHONY: quickstart
quickstart: build ## Start everything on this machine with the sample Extensions (ONCE=1: check it and stop)
	@CGO_ENABLED=0 go build -o bin/quickstart ./hack/quickstart && exec bin/quickstart $(if $(ONCE),--once)

.PHONY: assets
assets: ## Fetch or build Nushell and the control plane; print the exports for a shell
	@$(ASSETS)

##@ Cluster

CLUSTER := CGO_ENABLED=0 go build -o bin/cluster ./hack/cluster && bin/cluster

.PHONY: cluster-up
cluster-up: ## Start a real cluster of one node on this machine, as root, without Docker; print the export of its KUBECONFIG
	@$(CLUSTER) up

.PHONY: cluster-load
cluster-load: ## Load the archives TAR of images into that cluster
	@$(CLUSTER) load $(TAR)

.PHONY: cluster-restart
cluster-restart: ## Restart the part PART of it: kubelet, containerd, kube-apiserver, etcd, ...
	@$(CLUSTER) restart $(PART)

.PHONY: cluster-down
cluster-down: ## Remove that cluster; nothing of it is left
	@$(CLUSTER) down

.PHONY: e2e
e2e: ## Run the suite in a real cluster, that of KUBECONFIG or one made here: make e2e LABELS='install || api' KEEP=1
	@CGO_ENABLED=0 go build -o bin/e2e ./hack/e2e && LABELS='$(LABELS)' exec bin/e2e

##@ Build

.PHONY: build
build: ## Build bin/manager, bin/extension-sandbox and bin/extension-runner, static
	CGO_ENABLED=0 go build -ldflags '-s -w -X main.version=$(VERSION)' -o bin/manager ./cmd/manager
	CGO_ENABLED=0 go build -ldflags '-s -w' -o bin/extension-sandbox ./cmd/extension-sandbox
	CGO_ENABLED=0 go build -ldflags '-s -w' -o bin/extension-runner ./cmd/extension-runner

.PHONY: install-yaml
install-yaml: ## Write dist/install.yaml: one file for kubectl apply
	mkdir -p dist
	$(KUSTOMIZE) build config/default > dist/install.yaml.tmp
	sed 's|extension-operator:dev|$(IMAGE)|' dist/install.yaml.tmp > dist/install.yaml
	rm dist/install.yaml.tmp

.PHONY: image-tar
image-tar: ## Write dist/extension-operator-ARCH.tar, the image IMAGE for PLATFORM, without Docker
	CGO_ENABLED=0 go run ./hack/image -image='$(IMAGE)' -platform='$(PLATFORM)' -version='$(VERSION)' -nushell='$(NUSHELL)'

.PHONY: chart
chart: ## Package the chart into dist/, for the image that VERSION tags
	mkdir -p dist
	$(HELM) package $(CHART) --version $(CHART_VERSION) --app-version $(VERSION) --destination dist

.PHONY: docker-build
docker-build: ## Build the container image IMAGE for PLATFORM with Docker
	epoch=$$(git log -1 --format=%ct) && docker build --platform $(PLATFORM) --build-arg VERSION=$(VERSION) \
		--build-arg REVISION=$$(git rev-parse HEAD) --build-arg SOURCE_DATE_EPOCH=$$epoch \
		--build-arg CREATED=$$(TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd) --tag $(IMAGE) .

.PHONY: clean
clean: ## Remove what was built in the tree (the cache folder outside it stays)
	rm -rf bin dist
