// SPDX-License-Identifier: Apache-2.0

// Package access says who may use the REST API. In a cluster the API server does: it knows the sender by a bearer
// token (TokenReview) and what that one may do (SubjectAccessReview); nothing is allowed while it cannot be asked.
// On loopback everything is allowed to whoever reaches the port, but not to web pages. Either way a client may send
// only so many requests.
//
// Errors are those of k8s.io/apimachinery/pkg/api/errors: Unauthorized, Forbidden, TooManyRequests (with the seconds to
// wait) and ServiceUnavailable. Their messages say what to do and hold no token.
package access
