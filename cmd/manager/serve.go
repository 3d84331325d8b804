// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	authenticationclient "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/access"
	"provisioning.dev/extension-operator/internal/config"
	"provisioning.dev/extension-operator/internal/httpapi"
	"provisioning.dev/extension-operator/internal/serve"
)

// newGuard has the API server say who may, or, without --api-secure, lets everybody in: addServer then listens on
// loopback or not at all.
func newGuard(mgr ctrl.Manager, s config.Settings) (httpapi.Guard, error) {
	limits := access.Limits{
		PerSecond: s.APIRequestsPerSecond, Burst: s.APIBurst,
		UnderWay: (s.APIMaxConnections + 3) / 4, // wherever they come from, a user leaves most connections to others
	}
	if !s.APISecure {
		return access.NewLoopback(limits, time.Now)
	}
	authentication, err := authenticationclient.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return nil, fmt.Errorf("make a client for TokenReviews: %w", err)
	}
	authorization, err := authorizationclient.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return nil, fmt.Errorf("make a client for SubjectAccessReviews: %w", err)
	}
	return access.New(access.Options{
		TokenReviews:         authentication.TokenReviews(),
		SubjectAccessReviews: authorization.SubjectAccessReviews(),
		Resource:             api.GroupVersion.WithResource("extensions"),
		Audience:             s.APIAudience,
		Limits:               limits,
		Log:                  ctrl.Log.WithName("access"),
		Now:                  time.Now,
	})
}

// addServer listens for the REST API, if it is wanted and Extensions are loaded here, and has mgr serve it.
func (p *parts) addServer(ctx context.Context, mgr ctrl.Manager, s config.Settings) error {
	if !served(s.APIBindAddress) || !s.Runs(config.ExtensionController) {
		return nil
	}
	server, err := serve.Listen(ctx, serve.Options{
		Address: s.APIBindAddress, Handler: p.api,
		Insecure: !s.APISecure, CertFile: s.APICertFile, KeyFile: s.APIKeyFile,
		MaxConnections: s.APIMaxConnections, Grace: s.GracePeriod, Log: ctrl.Log.WithName("api"),
	})
	if err != nil {
		return fmt.Errorf("serve the REST API: %w; see --api-bind-address and the other flags of the REST API", err)
	}
	if err := mgr.Add(server); err != nil {
		return fmt.Errorf("add the server of the REST API: %w", err)
	}
	p.server = server
	return nil
}
