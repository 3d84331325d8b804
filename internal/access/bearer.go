// SPDX-License-Identifier: Apache-2.0

package access

import (
	"net/http"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// tokenSyntax is that of RFC 6750.
var tokenSyntax = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`)

// bearerToken is what the one Authorization header has. Other places where a token can be (a query, a WebSocket's
// protocol, a cookie) end up in logs or are sent by browsers on their own.
func bearerToken(header http.Header) (string, error) {
	values := header.Values("Authorization")
	if len(values) == 0 {
		return "", apierrors.NewUnauthorized("the request has no token; send the header Authorization: Bearer TOKEN, " +
			"for a ServiceAccount with a token of kubectl create token")
	}
	if len(values) > 1 {
		return "", apierrors.NewUnauthorized("the request has more than one Authorization header; send one")
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.Trim(token, " ")
	if !strings.EqualFold(scheme, "Bearer") || !tokenSyntax.MatchString(token) {
		return "", apierrors.NewUnauthorized("the Authorization header is malformed; it must be Bearer TOKEN")
	}
	return token, nil
}
