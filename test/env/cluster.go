// SPDX-License-Identifier: Apache-2.0

// Package env gives test suites and the quickstart what they run against: a Kubernetes control plane with the CRDs of this
// source tree, a real Nushell and the programs built from the source. What it starts ends with the process that asked
// for it, also when that one is killed. A missing program is an error that says what to run, never a skip.
package env

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"provisioning.dev/extension-operator/hack/tree"
)

// startTimeout and stopTimeout are for one program each, on a small machine that does much else.
const (
	startTimeout = 2 * time.Minute
	stopTimeout  = 30 * time.Second
)

// Cluster is a control plane of etcd and kube-apiserver on the loopback interface. It has no controllers: nothing makes
// Pods, collects garbage or fills a namespace with ServiceAccounts, and a deleted Namespace stays Terminating.
type Cluster struct {
	// Config is for a member of system:masters, to whom everything is allowed, without a client-side rate limit.
	Config *rest.Config
	// Kubectl is the path of a kubectl of the API server's version.
	Kubectl string
	// Dir is a folder for files of this run; Stop removes it.
	Dir string
	// AuditLog is the file with what the API server was asked; empty unless it was StartAudited.
	AuditLog string

	environment *envtest.Environment
	scratch     *scratch
}

// Start starts a control plane with the CRDs of config/crd/bases. The caller must Stop it.
func Start() (*Cluster, error) { return start(false) }

// StartAudited is Start, with an API server that records each request: who asked for what and what the answer was, as events of
// audit.k8s.io, one a line.
func StartAudited() (*Cluster, error) { return start(true) }

func start(audited bool) (*Cluster, error) {
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	if assets == "" {
		return nil, errors.New("KUBEBUILDER_ASSETS is not set: run make test, or eval \"$(make -s assets)\" first")
	}
	crds, err := crdFolder()
	if err != nil {
		return nil, err
	}
	scratch, err := newScratch()
	if err != nil {
		return nil, fmt.Errorf("make a folder for this run: %w", err)
	}
	environment, err := newEnvironment(assets, crds, scratch.dir)
	if err != nil {
		return nil, errors.Join(err, scratch.remove())
	}
	auditLog := ""
	if audited {
		if auditLog, err = audit(environment, scratch.dir); err != nil {
			return nil, errors.Join(err, scratch.remove())
		}
	}
	config, err := environment.Start()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the control plane of %s: %w", assets, err), environment.Stop(), scratch.remove())
	}
	config.QPS = -1
	return &Cluster{
		Config:      config,
		Kubectl:     filepath.Join(assets, "kubectl"),
		Dir:         scratch.dir,
		AuditLog:    auditLog,
		environment: environment,
		scratch:     scratch,
	}, nil
}

// Stop ends the control plane and removes its files.
func (c *Cluster) Stop() error {
	return errors.Join(c.environment.Stop(), c.scratch.remove())
}

// AddUser returns a configuration for a new user that is a member of the groups, without a client-side rate limit.
func (c *Cluster) AddUser(name string, groups ...string) (*rest.Config, error) {
	user, err := c.environment.AddUser(envtest.User{Name: name, Groups: groups}, &rest.Config{QPS: -1})
	if err != nil {
		return nil, fmt.Errorf("add user %s: %w", name, err)
	}
	return user.Config(), nil
}

func newEnvironment(assets, crds, dir string) (*envtest.Environment, error) {
	environment := &envtest.Environment{
		CRDDirectoryPaths:        []string{crds},
		ErrorIfCRDPathMissing:    true,
		ControlPlaneStartTimeout: startTimeout,
		ControlPlaneStopTimeout:  stopTimeout,
	}
	var err error
	apiServer := environment.ControlPlane.GetAPIServer()
	if apiServer.Path, err = wrap(dir, filepath.Join(assets, "kube-apiserver")); err != nil {
		return nil, err
	}
	etcd := &envtest.Etcd{}
	environment.ControlPlane.Etcd = etcd
	if etcd.Path, err = wrap(dir, filepath.Join(assets, "etcd")); err != nil {
		return nil, err
	}
	if apiServer.CertDir, err = os.MkdirTemp(dir, "certificates-"); err != nil {
		return nil, err
	}
	if etcd.DataDir, err = os.MkdirTemp(dir, "etcd-"); err != nil {
		return nil, err
	}
	// Without these the API server looks for an address of the machine that it could announce, and a machine may have none.
	apiServer.Configure().Set("advertise-address", "127.0.0.1").Set("endpoint-reconciler-type", "none")
	return environment, nil
}

// auditPolicy has every request recorded when it is answered, a watch when it begins too; questions about rights with their answers.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: RequestResponse
  resources: [{group: authorization.k8s.io, resources: [subjectaccessreviews]}]
- level: Metadata
`

// audit has the API server write an audit log, and returns its path.
func audit(environment *envtest.Environment, dir string) (string, error) {
	policy, log := filepath.Join(dir, "audit-policy.yaml"), filepath.Join(dir, "audit.log")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		return "", fmt.Errorf("write the audit policy: %w", err)
	}
	environment.ControlPlane.GetAPIServer().Configure().Set("audit-policy-file", policy).Set("audit-log-path", log)
	return log, nil
}

// crdFolder is where the generated CRDs lie.
func crdFolder() (string, error) {
	root, err := tree.Root()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, "config", "crd", "bases")
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		return "", fmt.Errorf("no CRDs in %s: run make manifests", dir)
	}
	return dir, nil
}
