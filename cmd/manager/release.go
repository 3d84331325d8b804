// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"provisioning.dev/extension-operator/internal/config"
	"provisioning.dev/extension-operator/internal/installation"
)

const releaseHelp = `Take the finalizers of this operator off Installations, and off their Jobs and ConfigMaps.

They keep an Installation until its hook uninstall has run. Where no operator is left to do that, what is
deleted stays forever; this lets it go. NOTHING IS UNINSTALLED: what Installations with the deletionPolicy
Uninstall have installed stays, with the label extensions.provisioning.dev/installation-uid.

While a controller of Installations is running, which would put them on again, nothing is done: stop it before, as
--stop does. One that was killed counts as running until its Lease has run out, which is waited for.`

// releaseWait bounds all of it, the end of pods included.
const releaseWait = 4 * time.Minute

// releaseFlags are those of release-finalizers.
type releaseFlags struct {
	kubeconfig, namespace, stop string
	everywhere, dryRun          bool
	timeout                     time.Duration
}

func releaseCommand() *cobra.Command {
	f := releaseFlags{}
	cmd := &cobra.Command{
		Use:   "release-finalizers (--all-namespaces | --namespace NAMESPACE)",
		Short: "Let go of what waits for an operator that is gone; nothing is uninstalled",
		Long:  releaseHelp,
		Example: "  manager release-finalizers --all-namespaces --dry-run\n" +
			"  manager release-finalizers --all-namespaces --stop=extension-system/extension-installer",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), f.timeout)
			defer cancel()
			return f.run(ctx, cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.kubeconfig, "kubeconfig", "", "kubeconfig file; by default $KUBECONFIG, the service account in a cluster, or ~/.kube/config")
	flags.StringVarP(&f.namespace, "namespace", "n", "", "the namespace to look at")
	flags.BoolVarP(&f.everywhere, "all-namespaces", "A", false, "look at all namespaces")
	flags.StringVar(&f.stop, "stop", "", "NAMESPACE/NAME of the Deployment that runs the controller of Installations, to scale to 0 before")
	flags.BoolVar(&f.dryRun, "dry-run", false, "only print what would be done")
	flags.DurationVar(&f.timeout, "timeout", releaseWait, "how long it may take")
	cmd.MarkFlagsMutuallyExclusive("namespace", "all-namespaces")
	cmd.MarkFlagsOneRequired("namespace", "all-namespaces")
	return cmd
}

func (f *releaseFlags) run(ctx context.Context, out io.Writer) error {
	stop := strings.Split(f.stop, "/")
	if f.stop != "" && (len(stop) != 2 || stop[0] == "" || stop[1] == "") {
		return fmt.Errorf("--stop is %q; it must be NAMESPACE/NAME of a Deployment, such as extension-system/extension-installer", f.stop)
	}
	cluster, err := clusterConfig(config.Settings{Kubeconfig: f.kubeconfig})
	if err != nil {
		return err
	}
	c, err := client.New(cluster, client.Options{Scheme: scheme()})
	if err != nil {
		return fmt.Errorf("reach the cluster: %w", err)
	}
	did := "released"
	if f.dryRun {
		did = "would release"
	} else if err := f.quiet(ctx, c, stop, out); err != nil {
		return err
	}
	count := 0
	err = installation.Release{Client: c, Namespace: f.namespace, DryRun: f.dryRun, Tell: func(r installation.Released) {
		count++
		_, _ = fmt.Fprintf(out, "%s %s %s/%s\n", did, r.Kind, r.Namespace, r.Name)
	}}.All(ctx)
	_, _ = fmt.Fprintf(out, "%s %d objects\n", did, count)
	return err
}

// quiet returns when no controller of Installations is running, and stops the one that it is to stop.
func (f *releaseFlags) quiet(ctx context.Context, c client.Client, stop []string, out io.Writer) error {
	if f.stop != "" {
		if err := installation.StopController(ctx, c, types.NamespacedName{Namespace: stop[0], Name: stop[1]}, time.Second); err != nil {
			return fmt.Errorf("stop the Deployment %s: %w", f.stop, err)
		}
	}
	return installation.AwaitNoLeader(ctx, c, func(leader installation.Leader, term time.Duration) {
		_, _ = fmt.Fprintf(out, "waiting up to %s whether %s, which has the Lease %s, is still running\n", term, leader.Name, leader.Lease)
	})
}
