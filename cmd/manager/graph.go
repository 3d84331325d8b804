// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"

	"provisioning.dev/extension-operator/internal/catalog"
	"provisioning.dev/extension-operator/internal/config"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/graph"
	"provisioning.dev/extension-operator/internal/resolve"
	"provisioning.dev/extension-operator/internal/store"
)

const graphHelp = `Print the dependency graph of libraries, without a cluster and without Nushell.

With TYPE/NAME[@RANGE] it is the graph of the newest version that fits and of what is chosen for
it; without, that of the newest stable version of everything, each solved alone. Whatever does not
resolve is drawn with its state and told on standard error, and the exit code is 1 then.`

func graphCommand() *cobra.Command {
	libraries, format := config.Default().Libraries, string(graph.DOT)
	cmd := &cobra.Command{
		Use:   "graph [TYPE/NAME[@RANGE]]",
		Short: "Print the dependency graph of libraries as DOT, Mermaid or JSON",
		Long:  graphHelp,
		Example: "  manager graph --library ./extensions -o mermaid\n" +
			"  manager graph --library ./extensions cluster/cicd | dot -Tsvg > cicd.svg",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return printGraph(cmd.Context(), cmd.OutOrStdout(), libraries, graph.Format(format), args)
		},
	}
	cmd.Flags().StringArrayVar(&libraries, "library", libraries, "folder that holds providers/, taskservs/ and clusters/, as [NAME=]DIR; may be repeated")
	cmd.Flags().StringVarP(&format, "output", "o", format, "dot, mermaid or json")
	return cmd
}

// printGraph draws what is asked for. The error tells everything that does not resolve.
func printGraph(ctx context.Context, out io.Writer, libraries []string, format graph.Format, refs []string) (err error) {
	resolver, remove, err := offlineResolver(libraries)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	answers, err := answersTo(ctx, resolver, refs)
	if err != nil {
		return err
	}
	if err := resolve.Draw(answers).Render(out, format); err != nil {
		return err
	}
	var problems []error
	for _, answer := range answers {
		if answer.Fault != nil {
			problems = append(problems, fmt.Errorf("%s: %w", answer.Ref, answer.Fault))
		}
	}
	return errors.Join(problems...)
}

func answersTo(ctx context.Context, resolver *resolve.Resolver, refs []string) ([]resolve.Answer, error) {
	if len(refs) == 0 {
		return resolver.Survey(ctx, "")
	}
	ref, err := extension.ParseRef(refs[0])
	if err != nil {
		return nil, err
	}
	answer, err := resolver.Answer(ctx, resolve.Request{Ref: ref})
	return []resolve.Answer{answer}, err
}

// offlineResolver reads libraries by way of a store of its own, which remove takes away.
func offlineResolver(libraries []string) (resolver *resolve.Resolver, remove func() error, err error) {
	entries, err := config.ParseLibraries(libraries)
	if err != nil {
		return nil, nil, fmt.Errorf("--library: %w", err)
	}
	dir, err := os.MkdirTemp("", "extension-operator-graph-")
	if err != nil {
		return nil, nil, err
	}
	copies, err := store.Open(dir)
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	remove = func() error { return errors.Join(copies.Close(), os.RemoveAll(dir)) }
	var catalogs []resolve.Catalog
	for _, entry := range entries {
		library, err := catalog.NewLibrary(catalog.Options{Name: entry.Name, Dir: entry.Dir, Store: copies, Logger: logr.Discard()})
		if err != nil {
			return nil, nil, errors.Join(err, remove())
		}
		catalogs = append(catalogs, library)
	}
	return resolve.New(nil, catalogs...), remove, nil
}
