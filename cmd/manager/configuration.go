// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	cliflag "k8s.io/component-base/cli/flag"
	ctrl "sigs.k8s.io/controller-runtime"

	"provisioning.dev/extension-operator/internal/config"
)

// addSettings gives cmd --config and a flag for every setting. Once the flags are parsed,
// what it returns says where settings come from.
func addSettings(cmd *cobra.Command) (groups cliflag.NamedFlagSets, sources func() config.Sources) {
	var file string
	standard := config.Default()
	groups = standard.Flags()
	groups.FlagSet("Configuration").StringVar(&file, "config", "",
		"TOML file with settings; the environment and flags count more. See manager config --help")
	for _, group := range groups.FlagSets {
		cmd.Flags().AddFlagSet(group)
	}
	return groups, func() config.Sources {
		return config.Sources{File: file, Environ: os.Environ(), Flags: cmd.Flags()}
	}
}

// watchConfiguration has changes of the configuration file told, if there is one.
func (p *parts) watchConfiguration(mgr ctrl.Manager, effective *config.Effective) error {
	if effective.File() == "" {
		return nil
	}
	watcher := config.NewWatcher(effective, ctrl.Log.WithName("config"), p.restartNeeded.Store)
	if err := mgr.Add(watcher); err != nil {
		return fmt.Errorf("watch the configuration file: %w", err)
	}
	return nil
}

func configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print and check settings",
		Long: "Settings come from defaults, the file of --config, environment variables (" + config.EnvironmentPrefix + "… and the key in\n" +
			"capitals) and flags; of two that set the same, the later counts.",
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(configPrintCommand(), configCheckCommand(), configDefaultsCommand())
	return cmd
}

func configPrintCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "print",
		Short: "Print the settings that a manager would have with these flags, here, and what set each",
		Args:  cobra.NoArgs,
	}
	_, sources := addSettings(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "toml", "toml or json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		effective, err := config.Load(sources())
		if err != nil {
			return err
		}
		text := effective.TOML()
		switch output {
		case "toml":
		case "json":
			if text, err = effective.JSON(); err != nil {
				return err
			}
		default:
			return fmt.Errorf("-o is %q; it can be toml, json", output)
		}
		_, err = fmt.Fprint(cmd.OutOrStdout(), text)
		return err
	}
	return cmd
}

func configCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "Check a configuration file by itself: every mistake with its line, and exit code 1 if there is one",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := config.Load(config.Sources{File: args[0]}); err != nil {
				return errors.Join(errors.New("the manager would not start with this file"), err)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s is right\n", args[0])
			return err
		},
	}
}

func configDefaultsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "defaults",
		Short: "Print a configuration file with every setting, what it is, and its default",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), config.DefaultsFile)
			return err
		},
	}
}
