// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io/fs"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"

	"provisioning.dev/extension-operator/internal/config"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/installation"
	"provisioning.dev/extension-operator/internal/load"
	"provisioning.dev/extension-operator/internal/payload"
	"provisioning.dev/extension-operator/internal/store"
)

// runnerProgram is where the image has what the containers of a Job run.
const runnerProgram = "/usr/local/bin/extension-runner"

func (p *parts) newInstaller(mgr ctrl.Manager, s config.Settings) *installation.Reconciler {
	return installation.New(installation.Settings{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Recorder: mgr.GetEventRecorder("extension-installer"), Observer: p.observers,
		Extensions: installation.Offers{Catalogs: p.catalogs(), Loads: loads{p.loader}},
		Payloads:   packer{p.copies},
		Image:      s.RunnerImage,
		Job:        installation.Options{Runner: runnerProgram, Sandbox: s.RunnerSandbox},
		Limits:     installation.Limits{Total: s.MaxInstallations, PerNamespace: s.MaxInstallationsPerNamespace},
		Now:        time.Now,
	})
}

// packer packs what the store has.
type packer struct{ copies *store.Store }

func (p packer) Pack(ctx context.Context, members []extension.Member) ([][]byte, error) {
	return payload.Pack(ctx, members, func(digest extension.Digest) (fs.FS, error) { return p.copies.FS(digest) })
}

// hooksWait is how long an Installation waits for the hooks of a dependency. They are in
// memory as a rule; where a load takes longer, it goes on, and is found at the next try.
const hooksWait = 2 * time.Second

// loads asks the loader.
type loads struct{ loader *load.Loader }

// Hooks are those of the root of plan, as a load has found or finds them.
func (l loads) Hooks(ctx context.Context, asker extension.Asker, plan extension.Plan) ([]string, error) {
	digest, err := l.loader.InputDigest(ctx, plan)
	if err != nil {
		return nil, err
	}
	req := load.Request{Plan: plan, InputDigest: digest, Namespace: asker.Namespace, Extension: asker.Name}
	flight := l.loader.Load(req, func() {})
	select {
	case <-flight.Done():
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(hooksWait):
		return nil, extension.NewTransientFault(extension.LoadTimeout, nil, "the hooks of %s are still being looked up", plan.Root().Key)
	}
	loaded, err := flight.Outcome()
	if err != nil {
		return nil, err
	}
	return loaded.Hooks, nil
}
