// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// content is what of an image decides what is loaded, and so when it is loaded again.
type content struct {
	// Tools are the digests of Nushell and of the loading program.
	Tools []string
	// Library is the digest of each file of the built-in library.
	Library map[string]string
}

// inventory is told by a Nushell of the pod itself, so that it serves for any image.
const inventory = `
cd /usr/share/extension-operator/extensions
let digests = {|files| $files | each {|f| [$f (open --raw $f | hash sha256)] } }
{
    Tools: (do $digests [/usr/local/bin/nu /usr/share/extension-operator/nushell/load.nu] | each { last })
    Library: (do $digests (glob --no-dir **/* | path relative-to $env.PWD) | into record)
} | to json --raw`

// shipped is the content of the image that the operator runs now.
func shipped(ctx context.Context) content {
	GinkgoHelper()
	var c content
	out, err := nuInPod(ctx, inventory)
	Expect(err).NotTo(HaveOccurred())
	Expect(json.Unmarshal([]byte(out), &c)).To(Succeed(), out)
	Expect(c.Library).NotTo(BeEmpty())
	return c
}

// nuInPod runs code by a Nushell of a manager's pod that is in no sandbox.
func nuInPod(ctx context.Context, code string) (string, error) {
	GinkgoHelper()
	return try("-n", system, "exec", podsOf(ctx, manager)[0].Name, "--", "/usr/local/bin/nu", "--no-config-file", "--no-std-lib", "--no-history", "--commands", code)
}

// named are the files of all versions of an extension.
func (c content) named(kind, name string) map[string]string {
	return c.below(kind + "s/" + name + "/")
}

// version are those of one version, which has a folder of its own where there are several.
func (c content) version(kind, name, version string) map[string]string {
	folder := kind + "s/" + name + "/"
	if found := c.below(folder + version + "/"); len(found) > 0 {
		return found
	}
	return c.below(folder)
}

func (c content) below(folder string) map[string]string {
	found := maps.Clone(c.Library)
	maps.DeleteFunc(found, func(file, _ string) bool { return !strings.HasPrefix(file, folder) })
	return found
}

// due says of an Extension that is Ready whether another image must have it loaded again, since what it has loaded differs, and
// whether it may, since something of the names does that it consulted.
func due(ext *api.Extension, was, is content) (must, may bool) {
	if !slices.Equal(was.Tools, is.Tools) {
		return true, true
	}
	consulted := append([]api.DependencyStatus{{Type: string(ext.Spec.Type), Name: ext.Spec.Name, Version: ext.Status.Version}}, ext.Status.Dependencies...)
	for _, c := range consulted {
		must = must || !maps.Equal(was.version(c.Type, c.Name, c.Version), is.version(c.Type, c.Name, c.Version))
		may = may || !maps.Equal(was.named(c.Type, c.Name), is.named(c.Type, c.Name))
	}
	return must, may
}
