// SPDX-License-Identifier: Apache-2.0

// Command manager runs the controllers of extension-operator. It only wires:
// every decision is made in a package below internal/.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/spf13/cobra"
	cliflag "k8s.io/component-base/cli/flag"
	ctrl "sigs.k8s.io/controller-runtime"

	"provisioning.dev/extension-operator/internal/config"
	"provisioning.dev/extension-operator/internal/nushell"
)

// helpWidth is how wide --help is printed.
const helpWidth = 100

// version is set when a release is built.
var version = "dev"

func main() {
	if err := command().Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "manager",
		Short: "Load Extension objects through a sandboxed Nushell and report what was found in their status",
		Args:  cobra.NoArgs,
		Long: "Load Extension objects through a sandboxed Nushell and report what was found in their status.\n" +
			"Further commands, each with a --help of its own: manager config, manager graph,\n" +
			"manager release-finalizers, manager version.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version,
	}
	groups, sources := addSettings(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		effective, err := config.Load(sources())
		if err != nil {
			return err
		}
		return run(ctrl.SetupSignalHandler(), effective)
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return errors.Join(err, errors.New("see manager --help for the flags"))
	})
	cliflag.SetUsageAndHelpFunc(cmd, groups, helpWidth)
	for _, child := range []*cobra.Command{versionCommand(), graphCommand(), configCommand(), releaseCommand()} {
		plain := &cobra.Command{} // without these, a child would print the flags of its parent
		child.SetHelpFunc(plain.HelpFunc())
		child.SetUsageFunc(plain.UsageFunc())
		cmd.AddCommand(child)
	}
	return cmd
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of the manager, of Go and of the Nushell that it supports",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintf(cmd.OutOrStdout(), "extension-operator %s, %s %s/%s, supports Nushell %s\n",
				version, runtime.Version(), runtime.GOOS, runtime.GOARCH, nushell.SupportedVersions)
		},
	}
}
