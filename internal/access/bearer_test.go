// SPDX-License-Identifier: Apache-2.0

package access

import (
	"net/http"
	"testing"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

func TestOnlyOneBearerTokenIsTaken(t *testing.T) {
	for name, c := range map[string]struct {
		headers []string
		token   string
		fails   string
	}{
		"a token":            {headers: []string{"Bearer abc.DEF-1_2~3+4/5=="}, token: "abc.DEF-1_2~3+4/5=="},
		"in lower case":      {headers: []string{"bearer abc"}, token: "abc"},
		"with more spaces":   {headers: []string{"Bearer   abc "}, token: "abc"},
		"none":               {fails: "the request has no token"},
		"an empty header":    {headers: []string{""}, fails: "malformed"},
		"an empty token":     {headers: []string{"Bearer "}, fails: "malformed"},
		"no scheme":          {headers: []string{"abc"}, fails: "malformed"},
		"another scheme":     {headers: []string{"Basic YTpi"}, fails: "malformed"},
		"two tokens in one":  {headers: []string{"Bearer abc def"}, fails: "malformed"},
		"a list":             {headers: []string{"Bearer abc, Bearer def"}, fails: "malformed"},
		"letters beyond":     {headers: []string{"Bearer äbc"}, fails: "malformed"},
		"a control":          {headers: []string{"Bearer a\tb"}, fails: "malformed"},
		"padding within":     {headers: []string{"Bearer a=b"}, fails: "malformed"},
		"two headers":        {headers: []string{"Bearer abc", "Bearer def"}, fails: "more than one Authorization header"},
		"the same one twice": {headers: []string{"Bearer abc", "Bearer abc"}, fails: "more than one Authorization header"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			token, err := bearerToken(http.Header{"Authorization": c.headers})
			if c.fails == "" {
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(token).To(Equal(c.token))
				return
			}
			g.Expect(err).To(MatchError(ContainSubstring(c.fails)))
			g.Expect(err.Error()).NotTo(ContainSubstring("abc"), "no part of a token is said")
			g.Expect(apierrors.IsUnauthorized(err)).To(BeTrue())
			g.Expect(token).To(BeEmpty())
		})
	}
}
