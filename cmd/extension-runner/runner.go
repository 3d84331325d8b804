// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/payload"
	"provisioning.dev/extension-operator/internal/step"
)

// What is made in the work folder. The names are the same in every pod, so that a hook that sees one of them makes the same of it.
const (
	stageFolder = "stage" // the plan, as a load sees it
	inputFolder = "input" // the hook's argument, which may hold secrets
	homeFolder  = "home"  // where a hook that acts may write
	configFile  = "config.json"
)

// runner runs one step.
type runner struct {
	order step.Order
	// log is what people read of the container.
	log io.Writer
}

// hookAtFault is how a step ends whose hook or values are at fault.
const hookAtFault = 1

// run does the step from its beginning to its end.
func (r *runner) run(ctx context.Context) step.Report {
	report, err := r.attempt(ctx)
	if err != nil {
		f := asFailure(err)
		report = step.NewReport(r.order.Step, f.reason, r.told(f.message, f.said))
		if step.ValidCode(f.code) {
			report.Code = f.code
		}
		if r.order.Lenient && f.reason.ExitCode() == hookAtFault {
			report = step.NewReport(r.order.Step, step.NotConfigured, report.Message)
		}
	}
	if err := r.clear(); err != nil {
		_, _ = fmt.Fprintf(r.log, "what the step made cannot be removed: %s\n", err)
	}
	return report
}

func (r *runner) attempt(ctx context.Context) (step.Report, error) {
	if err := r.prepare(); err != nil {
		return step.Report{}, err
	}
	if err := payload.Unpack(os.DirFS(r.order.Payload), r.order.Members, r.work(stageFolder)); err != nil {
		return step.Report{}, err
	}
	if r.order.Step == step.Configure {
		return r.configure(ctx)
	}
	return r.act(ctx)
}

// prepare makes empty folders. What a container that was started twice left is not used.
func (r *runner) prepare() error {
	if err := r.clear(); err != nil {
		return err
	}
	for _, folder := range []string{stageFolder, inputFolder, homeFolder} {
		if err := os.Mkdir(r.work(folder), 0o700); err != nil {
			return err
		}
	}
	return nil
}

// clear removes all but the configuration, which the next step needs.
func (r *runner) clear() error {
	return errors.Join(os.RemoveAll(r.work(stageFolder)), os.RemoveAll(r.work(inputFolder)), os.RemoveAll(r.work(homeFolder)))
}

func (r *runner) work(name string) string { return filepath.Join(r.order.Work, name) }

func (r *runner) root() extension.Member { return r.order.Members[len(r.order.Members)-1] }

// hidden stands for text that is not told.
const hidden = "what it says is not shown, because a value came from a Secret"

// told is a message for the report: what may be told of it.
func (r *runner) told(message, said string) string {
	switch {
	case said == "":
		return message
	case r.order.HideOutput:
		said = hidden
	}
	if message == "" {
		return redact(said)
	}
	return redact(message + ": " + said)
}

// given is the ctx of a hook that acts.
type given struct {
	Namespace    string          `json:"namespace"`
	Installation string          `json:"installation"`
	UID          string          `json:"uid"`
	Image        string          `json:"image"`
	Version      string          `json:"version"`
	Config       json.RawMessage `json:"config"`
}

// act runs install, verify or uninstall.
func (r *runner) act(ctx context.Context) (step.Report, error) {
	config, digest, err := r.readConfig()
	if err != nil {
		return step.Report{}, err
	}
	argument, err := json.Marshal(given{
		Namespace: r.order.Namespace, Installation: r.order.Installation, UID: r.order.UID, Image: r.order.Image,
		Version: r.root().Key.Version, Config: config,
	})
	if err != nil {
		return step.Report{}, failed(step.ConfigRefused, "%s is not JSON; configure must run again", configFile)
	}
	outcome, err := r.call(ctx, argument)
	if err != nil {
		return step.Report{}, err
	}
	if outcome.missing {
		report := r.skipped()
		report.ConfigDigest = digest
		return report, nil
	}
	var result struct{ Message *string }
	if err := json.Unmarshal(outcome.result, &result); err != nil || result.Message == nil {
		return step.Report{}, failed(step.HookFailed, "%s did not return record<message: string>", r.order.Step)
	}
	report := step.NewReport(r.order.Step, "", r.told("", *result.Message))
	report.ConfigDigest = digest
	return report, nil
}

func (r *runner) skipped() step.Report {
	return step.NewReport(r.order.Step, step.HookMissing, fmt.Sprintf("%s has no %s hook", r.root().Key, r.order.Step))
}

// readConfig is what configure returned. An uninstall may go without.
func (r *runner) readConfig() (json.RawMessage, extension.Digest, error) {
	text, err := os.ReadFile(r.work(configFile))
	switch {
	case errors.Is(err, fs.ErrNotExist) && r.order.Step == step.Uninstall && r.order.ConfigDigest == "":
		return json.RawMessage("null"), "", nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, "", failed(step.ConfigRefused, "there is no %s; configure must run before, with the same work folder", configFile)
	case err != nil:
		return nil, "", err
	}
	digest := extension.DigestOf(text)
	if r.order.ConfigDigest != "" && digest != r.order.ConfigDigest {
		return nil, "", wrongConfig(digest, r.order.ConfigDigest)
	}
	return text, digest, nil
}

func wrongConfig(is, wanted extension.Digest) *failure {
	return failed(step.ConfigRefused,
		"the configuration is %s, and %s was asked for; the values have changed since, or somebody changed it: look at the plan again", is, wanted)
}
