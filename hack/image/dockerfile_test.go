// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"go/version"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// instructions are those of a Dockerfile, each on one line with single spaces, comments left out.
func instructions(dockerfile string) []string {
	var all []string
	continued := false
	for line := range strings.Lines(dockerfile) {
		line = strings.Join(strings.Fields(line), " ")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		text, more := strings.CutSuffix(line, "\\")
		if continued {
			all[len(all)-1] += " " + strings.TrimSpace(text)
		} else {
			all = append(all, strings.TrimSpace(text))
		}
		continued = more
	}
	return all
}

// finalStage are the instructions from the last FROM on.
func finalStage(all []string) []string {
	last := 0
	for i, line := range all {
		if strings.HasPrefix(line, "FROM ") {
			last = i
		}
	}
	return all[last:]
}

// wantedFinalStage is what the list and the settings of make image-tar's image are in the words of a Dockerfile.
func wantedFinalStage() []string {
	stage := []string{"FROM scratch"}
	for _, l := range contents {
		stage = append(stage, fmt.Sprintf("COPY --link --from=rootfs /rootfs/%s/ /", l.name))
	}
	stage = append(stage, "ARG VERSION=dev", "ARG REVISION=unknown", "ARG CREATED=1970-01-01T00:00:00Z")
	labels := (&build{version: "${VERSION}", revision: "${REVISION}"}).labels()
	labels["org.opencontainers.image.created"] = "${CREATED}"
	words := []string{"LABEL"}
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		words = append(words, fmt.Sprintf("%s=%q", name, labels[name]))
	}
	return append(stage, strings.Join(words, " "), "ENV "+strings.Join(environment, " "), "USER "+user, fmt.Sprintf("ENTRYPOINT [%q]", entrypoint))
}

func TestDockerfileHasTheList(t *testing.T) {
	g := NewWithT(t)
	content, err := os.ReadFile("../../Dockerfile")
	g.Expect(err).NotTo(HaveOccurred())
	dockerfile := string(content)
	g.Expect(finalStage(instructions(dockerfile))).To(Equal(wantedFinalStage()))
	for what, change := range map[string][2]string{
		"another user":       {"USER 65532:65532", "USER 0"},
		"no user":            {"USER 65532:65532\n", ""},
		"another entrypoint": {`ENTRYPOINT ["/usr/local/bin/manager"]`, `ENTRYPOINT ["/usr/local/bin/nu"]`},
		"a layer less":       {"COPY --link --from=rootfs /rootfs/library/ /\n", ""},
		"a file more":        {"ENV PATH", "COPY --from=npm /bin/sh /bin/sh\nENV PATH"},
		"another place":      {"/rootfs/programs/ /\n", "/rootfs/programs/ /opt\n"},
		"another label":      {`"Apache-2.0"`, `"MIT"`},
		"another base":       {"FROM scratch\nCOPY --link", "FROM debian:12\nCOPY --link"},
	} {
		changed := strings.Replace(dockerfile, change[0], change[1], 1)
		g.Expect(changed).NotTo(Equal(dockerfile), what)
		g.Expect(finalStage(instructions(changed))).NotTo(Equal(wantedFinalStage()), what)
	}
}

// What the Dockerfile tells the program, the program understands.
func TestDockerfileRunsTheProgram(t *testing.T) {
	g := NewWithT(t)
	content, err := os.ReadFile("../../Dockerfile")
	g.Expect(err).NotTo(HaveOccurred())
	all := instructions(string(content))
	at := slices.IndexFunc(all, func(line string) bool { return strings.Contains(line, "go run ./hack/image ") })
	g.Expect(at).To(BeNumerically(">", 0))
	_, command, _ := strings.Cut(all[at], "go run ./hack/image ")
	got, err := parse(strings.Fields(regexp.MustCompile(`["{}$]`).ReplaceAllString(command, "")))
	g.Expect(err).NotTo(HaveOccurred())
	defaults, err := parse(nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got).To(Equal(options{
		source: "/src", rootfs: "/rootfs", platform: "TARGETPLATFORM", version: "VERSION", revision: "REVISION", epoch: "SOURCE_DATE_EPOCH",
		nu: "/nushell/NUSHELL", name: defaults.name,
	}))
	for _, argument := range []string{"TARGETPLATFORM", "NUSHELL=nushell.tgz", "VERSION=dev", "REVISION=unknown", "SOURCE_DATE_EPOCH=0"} {
		g.Expect(all[:at]).To(ContainElement("ARG " + argument))
	}
}

// base finds the images that stages begin with, bar scratch and other stages.
var base = regexp.MustCompile(`^FROM (?:--platform=\S+ )?(\w+):(\S+?)(@sha256:[0-9a-f]{64})? AS `)

func TestBaseImagesArePinned(t *testing.T) {
	g := NewWithT(t)
	content, err := os.ReadFile("../../Dockerfile")
	g.Expect(err).NotTo(HaveOccurred())
	tags := map[string]string{}
	for _, line := range instructions(string(content)) {
		if image := base.FindStringSubmatch(line); image != nil {
			g.Expect(image[3]).NotTo(BeEmpty(), "%s has no digest", line)
			tags[image[1]] = image[2]
		}
	}
	g.Expect(tags).To(And(HaveLen(2), HaveKey("node")))

	module, err := os.ReadFile("../../go.mod")
	g.Expect(err).NotTo(HaveOccurred())
	needed := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(string(module))
	g.Expect(needed).To(HaveLen(2))
	g.Expect(version.Compare("go"+tags["golang"], "go"+needed[1])).To(BeNumerically(">=", 0), "the image takes no other Go than its own")
}
