// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
)

// What it does in a cluster is tried in test/rights, as the account that it is shipped for.
func TestReleaseFinalizersSaysWhatIsWrong(t *testing.T) {
	nowhere := "--kubeconfig=" + filepath.Join(t.TempDir(), "none")
	for message, args := range map[string][]string{
		"at least one of the flags in the group [namespace all-namespaces] is required": {},
		"[all-namespaces namespace] were all set":                                       {"--all-namespaces", "--namespace=a"},
		`--stop is "installer"; it must be NAMESPACE/NAME of a Deployment`:              {"--all-namespaces", "--stop=installer"},
		"find the cluster:":            {"--all-namespaces", nowhere},
		`unknown command "everything"`: {"everything"},
	} {
		cmd := releaseCommand()
		cmd.SetArgs(args)
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
		NewWithT(t).Expect(cmd.ExecuteContext(t.Context())).To(MatchError(ContainSubstring(message)))
	}
}
