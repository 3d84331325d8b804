// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	"go.uber.org/zap/zapcore"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/config"
	"provisioning.dev/extension-operator/internal/controller"
	"provisioning.dev/extension-operator/internal/installation"
)

// run starts the manager and returns when ctx has ended and everything is down.
func run(ctx context.Context, effective *config.Effective) error {
	settings, err := effective.Settings.Absolute()
	if err != nil {
		return err
	}
	setupLogging(settings)
	cluster, err := clusterConfig(settings)
	if err != nil {
		return err
	}
	mgr, err := manager.New(cluster, options(settings))
	if err != nil {
		return fmt.Errorf("set up the manager: %w", err)
	}
	p, err := assemble(ctx, mgr, settings)
	if err != nil {
		return err
	}
	if err := ctrlmetrics.Registry.Register(p.metrics); err != nil {
		return fmt.Errorf("register the metrics: %w", err)
	}
	if err := p.addServer(ctx, mgr, settings); err != nil {
		return err
	}
	if err := addProbes(ctx, mgr, p, settings); err != nil {
		return err
	}
	if err := p.watchConfiguration(mgr, effective); err != nil {
		return err
	}
	ctrl.Log.WithName("setup").Info("Starting", "version", version, "libraries", settings.Libraries)
	return mgr.Start(ctx)
}

// options of the manager: API Priority and Fairness limits the client, informers
// hold only what is needed, and the leader gives up its Lease when it stops.
func options(s config.Settings) manager.Options {
	grace := s.GracePeriod
	metrics := metricsserver.Options{BindAddress: s.MetricsBindAddress, SecureServing: s.MetricsSecure}
	if s.MetricsSecure {
		metrics.FilterProvider = filters.WithAuthenticationAndAuthorization
	}
	var objects map[client.Object]cache.ByObject
	if s.Runs(config.InstallationController) {
		objects = installation.Informers()
	}
	return manager.Options{
		Scheme:                        scheme(),
		Cache:                         cache.Options{DefaultTransform: controller.Trim, ByObject: objects},
		Metrics:                       metrics,
		PprofBindAddress:              s.PprofBindAddress,
		LeaderElection:                s.LeaderElect,
		LeaderElectionID:              leaseName(s),
		LeaderElectionNamespace:       s.LeaderElectionNS,
		LeaderElectionLabels:          installation.LeaseLabels(s.Runs(config.InstallationController)),
		LeaderElectionReleaseOnCancel: true,
		GracefulShutdownTimeout:       &grace,
	}
}

// leaseName is that of the Lease whose holder reconciles. Where the controllers run apart,
// each has its own.
func leaseName(s config.Settings) string {
	if s.Runs(config.ExtensionController) {
		return installation.LoaderLease
	}
	return installation.InstallerLease
}

func scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(s))
	utilruntime.Must(api.AddToScheme(s))
	return s
}

func clusterConfig(s config.Settings) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = s.Kubeconfig
	cluster, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("find the cluster: %w; name a kubeconfig by --kubeconfig or $KUBECONFIG", err)
	}
	cluster.QPS = -1
	cluster.UserAgent = "extension-operator/" + version
	return cluster, nil
}

func setupLogging(s config.Settings) {
	levels := map[string]zapcore.Level{"debug": zapcore.DebugLevel, "info": zapcore.InfoLevel, "error": zapcore.ErrorLevel}
	encoder := zap.JSONEncoder()
	if s.LogFormat == "text" {
		encoder = zap.ConsoleEncoder()
	}
	logger := zap.New(zap.Level(levels[s.LogLevel]), encoder)
	ctrl.SetLogger(logger)
	klog.SetLogger(logger)
}
