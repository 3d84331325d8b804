// SPDX-License-Identifier: Apache-2.0

// Command assets provides Nushell and a Kubernetes control plane and prints where they are, for a shell or as JSON:
//
//	eval "$(go run ./hack/assets)"
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"provisioning.dev/extension-operator/hack/internal/asset"
)

func main() {
	output := flag.String("o", "shell", "what to print: shell (export lines) or json")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *output)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "assets:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, output string) error {
	provider, err := asset.NewProvider(os.Stderr)
	if err != nil {
		return err
	}
	paths, err := provider.Provide(ctx)
	if err != nil {
		return err
	}
	switch output {
	case "json":
		return json.NewEncoder(os.Stdout).Encode(paths)
	case "shell":
		fmt.Printf("export KUBEBUILDER_ASSETS=%s\nexport NUSHELL_PATH=%s\n", quoted(paths.ControlPlane), quoted(paths.Nushell))
		return nil
	default:
		return fmt.Errorf("unknown output %q: use shell or json", output)
	}
}

// quoted is a path as one word of a POSIX shell.
func quoted(path string) string {
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
