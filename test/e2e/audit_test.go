// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// request is a line of the API server's audit log.
type request struct {
	Verb           string
	RequestURI     string
	User           struct{ Username string }
	ObjectRef      *struct{ Resource, Namespace, Name, Subresource string }
	ResponseStatus struct {
		Code    int
		Message string
	}
	RequestReceivedTimestamp time.Time
}

// who is the operator's account in the namespace.
func (r request) who() string {
	name, _ := strings.CutPrefix(r.User.Username, "system:serviceaccount:"+system+":")
	return name
}

func (r request) resource() string {
	if r.ObjectRef == nil {
		return r.RequestURI
	}
	return strings.TrimSuffix(r.ObjectRef.Resource+"/"+r.ObjectRef.Subresource, "/")
}

// requestsOfOperator are what the operator's accounts asked the API server since then.
func requestsOfOperator(since time.Time) []request {
	GinkgoHelper()
	file, err := os.Open(need("E2E_AUDIT_LOG"))
	Expect(err).NotTo(HaveOccurred())
	defer file.Close()
	var found []request
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if !strings.Contains(lines.Text(), "system:serviceaccount:"+system+":") {
			continue
		}
		var r request
		Expect(json.Unmarshal(lines.Bytes(), &r)).To(Succeed())
		if r.RequestReceivedTimestamp.After(since) && strings.HasPrefix(r.User.Username, "system:serviceaccount:"+system+":") {
			found = append(found, r)
		}
	}
	Expect(lines.Err()).NotTo(HaveOccurred())
	return found
}

// writes are those that change something, bar what every controller does: Leases, Events and questions about rights.
func writes(all []request) []string {
	var found []string
	for _, r := range all {
		reads := slices.Contains([]string{"get", "list", "watch"}, r.Verb)
		if !reads && !slices.Contains([]string{"leases", "events", "tokenreviews", "subjectaccessreviews"}, r.resource()) {
			found = append(found, fmt.Sprintf("%s %s %s %s", r.who(), r.Verb, r.resource(), r.ObjectRef.Name))
		}
	}
	return found
}

// outside are the requests that are about nothing in a namespace.
func outside(namespace string, all []request) []request {
	return slices.DeleteFunc(slices.Clone(all), func(r request) bool { return r.ObjectRef != nil && r.ObjectRef.Namespace == namespace })
}

// goes is what the API server says of a namespace that is being deleted. It is said to whoever has the right, too.
const goes = "because it is being terminated"

// unread is what an API server says of the roles that it has not read yet, just after its start: not even its own are there. Whoever
// asks again gets what it may.
const unread = `"system:basic-user" not found`

// refused are those that the API server forbade for want of a right.
func refused(all []request) []string {
	var found []string
	for _, r := range all {
		said := r.ResponseStatus.Message
		if r.ResponseStatus.Code == 403 && !strings.HasSuffix(said, goes) && !strings.Contains(said, unread) {
			found = append(found, fmt.Sprintf("%s: %s %s: %s", r.who(), r.Verb, r.RequestURI, said))
		}
	}
	return found
}

func privilegeSpecs() {
	It("was refused nothing that it asked for", Label("privilege", "own"), func() {
		all := requestsOfOperator(begun)
		Expect(len(all)).To(BeNumerically(">", 20), "the log has what the operator asked")
		Expect(refused(all)).To(BeEmpty())
	})
}
