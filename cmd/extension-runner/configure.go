// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/step"
)

// noConfig is the configuration of an extension that makes none.
const noConfig = `{"files":{},"objects":[]}`

// configure has the values made into the configuration, and writes that.
func (r *runner) configure(ctx context.Context) (step.Report, error) {
	if err := r.checkValues(); err != nil {
		return step.Report{}, err
	}
	values, err := readValues(os.DirFS(r.order.Values))
	if err != nil {
		return step.Report{}, err
	}
	outcome, err := r.call(ctx, values)
	if err != nil {
		return step.Report{}, err
	}
	if outcome.missing {
		return r.unconfigured(values)
	}
	changes, err := changesOf(outcome.result)
	if err != nil {
		return step.Report{}, err
	}
	again, err := r.call(ctx, values)
	if err != nil {
		return step.Report{}, err
	}
	if !bytes.Equal(outcome.result, again.result) {
		return step.Report{}, notDeterministic(changes, again.result)
	}
	report := step.NewReport(step.Configure, "", fmt.Sprintf("made %d files and objects", len(changes)))
	if r.order.HideOutput {
		report.ChangesOmitted = len(changes)
	} else {
		report.Changes = changes
	}
	return r.keep(outcome.result, report)
}

// checkValues refuses values of the Installation that are not those it was told of. ConfigMaps and Secrets beside them
// may change as their owners wish.
func (r *runner) checkValues() error {
	if r.order.ValuesDigest == "" {
		return nil
	}
	entries, err := os.ReadDir(r.order.Values)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), "-"+step.SpecValues) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(r.order.Values, entry.Name()))
		if err != nil {
			return err
		}
		if extension.DigestOf(text) == r.order.ValuesDigest {
			return nil
		}
	}
	return failed(step.PayloadRefused, "the values in the pod are not those of the Installation; somebody has changed the ConfigMap that keeps them")
}

// unconfigured is the end of a step without a hook: whoever gave values expects them to be used.
func (r *runner) unconfigured(values []byte) (step.Report, error) {
	if !bytes.Equal(values, []byte("{}")) {
		return step.Report{}, failed(step.InvalidValues, "%s has no configure hook and takes no values; remove spec.values and spec.valuesFrom", r.root().Key)
	}
	return r.keep([]byte(noConfig), r.skipped())
}

// keep writes the configuration for the steps that follow, whole or not at all.
func (r *runner) keep(config []byte, report step.Report) (step.Report, error) {
	report.ConfigDigest = extension.DigestOf(config)
	if r.order.ConfigDigest != "" && report.ConfigDigest != r.order.ConfigDigest {
		return step.Report{}, wrongConfig(report.ConfigDigest, r.order.ConfigDigest)
	}
	unfinished := r.work(configFile + ".tmp")
	if err := os.WriteFile(unfinished, config, 0o600); err != nil {
		return step.Report{}, err
	}
	return report, os.Rename(unfinished, r.work(configFile))
}

// changesOf lists what a configuration has, with the digest of each file and object.
func changesOf(config json.RawMessage) (map[string]extension.Digest, error) {
	var made struct {
		Files   map[string]*string
		Objects []json.RawMessage
	}
	const form = "configure must return record<files: record, objects: list>: of files the texts by their names, of objects Kubernetes objects"
	if err := json.Unmarshal(config, &made); err != nil || made.Files == nil || made.Objects == nil {
		return nil, failed(step.HookFailed, form)
	}
	changes := map[string]extension.Digest{}
	for name, text := range made.Files {
		if text == nil {
			return nil, failed(step.HookFailed, form)
		}
		changes["files/"+name] = extension.DigestOf([]byte(*text))
	}
	for i, object := range made.Objects {
		var head struct {
			Kind     string
			Metadata struct{ Name string }
		}
		if err := json.Unmarshal(object, &head); err != nil || head.Kind == "" || head.Metadata.Name == "" {
			return nil, failed(step.HookFailed, "object %d of configure lacks its kind or metadata.name", i+1)
		}
		key := "objects/" + head.Kind + "/" + head.Metadata.Name
		if _, twice := changes[key]; twice {
			key = fmt.Sprintf("%s (object %d)", key, i+1)
		}
		changes[key] = extension.DigestOf(object)
	}
	return changes, nil
}

// notDeterministic names what two runs made differently.
func notDeterministic(first map[string]extension.Digest, again json.RawMessage) *failure {
	f := failed(step.NotDeterministic,
		"configure is not deterministic: of the same values it made something else the second time; leave out clock, chance and whatever else is no value")
	second, err := changesOf(again)
	if err != nil {
		return f
	}
	var differ []string
	for key, digest := range first {
		if second[key] != digest {
			differ = append(differ, key)
		}
	}
	for key := range maps.Keys(second) {
		if _, both := first[key]; !both {
			differ = append(differ, key)
		}
	}
	slices.Sort(differ)
	f.said = strings.Join(differ, ", ")
	return f
}
