// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// kubectl is the program that users have: the quickstart does what it does as they would.
type kubectl struct{ program, kubeconfig, cache string }

// run runs kubectl and returns what it printed.
func (k kubectl) run(ctx context.Context, args ...string) (string, error) {
	return k.pipe(ctx, "", args...)
}

// pipe is run with standard input.
func (k kubectl) pipe(ctx context.Context, input string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, k.program, append([]string{"--cache-dir=" + k.cache}, args...)...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+k.kubeconfig)
	cmd.Stdin = strings.NewReader(input)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args, " "), err, problems.String())
	}
	return out.String(), nil
}

// extensions returns every Extension of the default namespace.
func (k kubectl) extensions(ctx context.Context) ([]api.Extension, error) {
	out, err := k.run(ctx, "get", "ext", "--output=json")
	if err != nil {
		return nil, err
	}
	var list api.ExtensionList
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return nil, fmt.Errorf("read the answer of kubectl: %w", err)
	}
	return list.Items, nil
}

// extension returns one Extension of the default namespace.
func (k kubectl) extension(ctx context.Context, name string) (*api.Extension, error) {
	out, err := k.run(ctx, "get", "extension", name, "--output=json")
	if err != nil {
		return nil, err
	}
	var extension api.Extension
	if err := json.Unmarshal([]byte(out), &extension); err != nil {
		return nil, fmt.Errorf("read the answer of kubectl: %w", err)
	}
	return &extension, nil
}
