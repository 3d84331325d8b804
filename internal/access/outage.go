// SPDX-License-Identifier: Apache-2.0

package access

import (
	"errors"
	"sync/atomic"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// outage turns what keeps the API server from answering into what is said of it: to the client without addresses, and
// to the log once each time it begins and ends, however many requests it meets.
type outage struct {
	log logr.Logger
	// resource is what has to be created to be answered.
	resource string
	lasts    atomic.Bool
}

// of is the error for the client; nil where err is.
func (o *outage) of(err error) error {
	if err == nil {
		if o.lasts.CompareAndSwap(true, false) {
			o.log.Info("The API server says again who may use the REST API", "resource", o.resource)
		}
		return nil
	}
	remedy := "the API server does not answer; try again later"
	if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) {
		remedy = "the operator may not create " + o.resource + "; bind the ClusterRole system:auth-delegator to its ServiceAccount"
	}
	if errors.As(err, new(unevaluated)) {
		remedy = "an authorizer of the API server, such as a webhook, failed; try again later"
	}
	if o.lasts.CompareAndSwap(false, true) {
		o.log.Error(err, "Requests to the REST API are refused, because it cannot be found out who may send them", "resource", o.resource, "remedy", remedy)
	}
	return apierrors.NewServiceUnavailable("it cannot be found out who may send this request: " + remedy)
}

// unevaluated is what an authorizer of the API server failed by.
type unevaluated string

func (u unevaluated) Error() string { return string(u) }
