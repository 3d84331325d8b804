// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// runCommand runs the manager with arguments and returns what it prints.
func runCommand(args ...string) (string, error) {
	cmd := command()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(GinkgoTB().Context())
	return out.String(), err
}

var _ = Describe("manager graph", func() {
	builtin := filepath.Join("..", "..", "extensions")

	It("draws what an extension resolves to, without a cluster", func() {
		out, err := runCommand("graph", "--library", builtin, "cluster/buildkit", "-o", "dot")
		Expect(err).NotTo(HaveOccurred())
		Expect(out).To(ContainSubstring("  \"cluster:buildkit:1.0.0\" -> \"taskserv:containerd:2.1.4\" [label=\"^2.0\"];\n"))
		Expect(out).NotTo(ContainSubstring("postgresql"))
		again, err := runCommand("graph", "--library", builtin, "cluster/buildkit", "-o", "dot")
		Expect(err).NotTo(HaveOccurred())
		Expect(again).To(Equal(out))
	})

	It("draws the whole library in every format, and leaves nothing behind", func() {
		temp := GinkgoT().TempDir()
		GinkgoT().Setenv("TMPDIR", temp)
		for format, text := range map[string]string{"json": `"constraint": ">=1.27"`, "mermaid": "flowchart", "dot": "digraph"} {
			out, err := runCommand("graph", "--library", builtin, "--output", format)
			Expect(err).NotTo(HaveOccurred())
			Expect(out).To(And(ContainSubstring(text), ContainSubstring("provider"), ContainSubstring("cicd")))
		}
		Expect(filepath.Glob(filepath.Join(temp, "*"))).To(BeEmpty())
	})

	It("draws what does not resolve with its state, and fails", func() {
		w := newWorld()
		w.publishNeeding("a", "1.0.0", "b")
		w.publishNeeding("b", "1.0.0", "a")
		w.publishNeeding("c", "1.0.0", "absent@^2")
		out, err := runCommand("graph", "--library", w.catalogDir, "-o", "json")
		Expect(err).To(MatchError(And(
			ContainSubstring("taskserv/a: dependencies form a cycle: a → b → a"),
			ContainSubstring("taskserv/c: a dependency is missing: absent@^2, required by taskserv:c:1.0.0, is in no catalog"))))
		Expect(out).To(And(ContainSubstring(`"state": "Cycle"`), ContainSubstring(`"id": "taskserv:absent"`), ContainSubstring(`"state": "DependencyMissing"`)))
	})

	DescribeTable("says what to do about bad input", func(text string, args ...string) {
		_, err := runCommand(append([]string{"graph"}, args...)...)
		Expect(err).To(MatchError(ContainSubstring(text)))
	},
		Entry("no reference", "write it as taskserv/kubernetes", "--library", builtin, "etcd"),
		Entry("no range", "is neither an exact version nor a range", "--library", builtin, "taskserv/etcd@latest"),
		Entry("no format", "choose one of json, dot, mermaid", "--library", builtin, "-o", "svg"),
		Entry("no library", "make the folder available", "--library", "/nonexistent/extensions"),
		Entry("a folder that is none", "has none of the folders providers, taskservs and clusters", "--library", os.TempDir()),
		Entry("an unknown name", "did you mean etcd?", "--library", builtin, "taskserv/etdc"),
		Entry("two references", "at most 1 arg", "--library", builtin, "taskserv/etcd", "taskserv/etcd"),
	)
})
