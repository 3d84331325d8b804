// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// apiReference has blocks of a call by curl and of what is answered. With UPDATE_DOCS=1
// the answers in it are written anew.
var apiReference = filepath.Join("..", "..", "docs", "api.md")

var documentedCall = regexp.MustCompile("(?s)```console\n(\\$ curl [^\n]*)\n(.*?)```\n")

// words of a command of a shell, some of which are in quotes.
func words(command string) []string {
	var all []string
	part := regexp.MustCompile(`'([^']*)'|"([^"]*)"|([^\s'"]+)`)
	for _, word := range regexp.MustCompile(`(?:'[^']*'|"[^"]*"|[^\s'"])+`).FindAllString(command, -1) {
		all = append(all, part.ReplaceAllString(word, "$1$2$3"))
	}
	return all
}

// curl makes the request that a documented call makes.
func curl(command string) *http.Request {
	GinkgoHelper()
	method, url, body, headers := http.MethodGet, "", "", http.Header{"Accept": {"*/*"}}
	args := words(command)
	for i := 2; i < len(args); i++ { // after the prompt and the program
		switch args[i] {
		case "-X":
			i++
			method = args[i]
		case "-H":
			i++
			name, value, _ := strings.Cut(args[i], ": ")
			headers.Set(name, value)
		case "-d":
			i++
			method, body = http.MethodPost, args[i]
		default:
			url = args[i]
		}
	}
	Expect(url).To(HavePrefix("$API/"))
	request := httptest.NewRequest(method, strings.TrimPrefix(url, "$API"), strings.NewReader(body))
	request.Header = headers
	return request
}

// steady replaces what is another with every run.
func (w *world) steady(text string) string {
	host, err := os.Hostname()
	Expect(err).NotTo(HaveOccurred())
	for _, r := range []struct{ from, to string }{
		{regexp.QuoteMeta(w.namespace), "team-a"},
		{`sha256:[0-9a-f]{64}`, "sha256:4a5e…"},
		{`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z-[0-9A-Z]{10}`, "2026-05-04T10:00:00.000Z-K7QX2M4T9A"},
		{`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`, "2026-05-04T10:00:00Z"},
		{`"continue": "[^"]+"`, `"continue": "dGFza3Nlcn…"`},
		{`"replica": "` + regexp.QuoteMeta(host) + `"`, `"replica": "extension-manager-6d5f7c9b8-x2x7q"`},
	} {
		text = regexp.MustCompile(r.from).ReplaceAllString(text, r.to)
	}
	return text
}

// answered is what a call is answered, as the reference shows it.
func (w *world) answered(command string) string {
	GinkgoHelper()
	r := w.send(curl(command))
	text := strings.TrimSuffix(r.Text, "\n")
	if r.Header.Get("Content-Type") == "application/json" {
		var pretty bytes.Buffer
		Expect(json.Indent(&pretty, []byte(text), "", "  ")).To(Succeed())
		text = pretty.String()
	}
	return w.steady("HTTP " + strconv.Itoa(r.Status) + "\n" + text + "\n")
}

var _ = Describe("the reference of the REST API", func() {
	It("shows what is answered", func() {
		w := newWorld()
		w.publish(api.TaskservType, "kubernetes", "1.28.0", map[string]string{
			"manifest.toml": manifest(api.TaskservType, "kubernetes", "1.28.0") + "dependencies = [\"etcd@^3.5\"]\nauthor = \"provisioning-team\"\n",
		})
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.publish(api.TaskservType, "etcd", "3.4.0", map[string]string{"manifest.toml": "manifest = 1\n"})
		w.start()
		w.apply(api.TaskservType, "kubernetes", "1.28")
		w.becomes("kubernetes", ready)
		Eventually(func() []entry { return w.loaded("") }).Should(HaveLen(2))

		text, err := os.ReadFile(apiReference)
		Expect(err).NotTo(HaveOccurred())
		calls, update := 0, os.Getenv("UPDATE_DOCS") != ""
		updated := documentedCall.ReplaceAllStringFunc(string(text), func(block string) string {
			calls++
			parts := documentedCall.FindStringSubmatch(block)
			command, shown, answered := parts[1], parts[2], w.answered(parts[1])
			if !update {
				Expect(answered).To(Equal(shown), "%s: UPDATE_DOCS=1 writes the answers anew", command)
			}
			return "```console\n" + command + "\n" + answered + "```\n"
		})
		Expect(calls).To(BeNumerically(">=", 15))
		if update {
			Expect(os.WriteFile(apiReference, []byte(updated), 0o644)).To(Succeed())
		}
	})
})
