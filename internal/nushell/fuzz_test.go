// SPDX-License-Identifier: Apache-2.0

package nushell

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/sandbox"
)

// What is accepted is JSON, means the same to encoding/json, has nothing half filled, and is accepted again when it is
// written anew.
func FuzzDecodeAnswer(f *testing.F) {
	for _, seed := range answerSeeds() {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := decodeAnswer(text)
		if err != nil {
			if a.hooks != nil || a.failure != nil || a.key.Name != "" {
				t.Fatalf("half an answer beside an error: %+v", a)
			}
			return
		}
		var same struct {
			Protocol  int
			OK        bool
			Extension struct{ Type, Name, Version string }
			Hooks     []string
		}
		if err := json.Unmarshal(text, &same); err != nil {
			t.Fatalf("accepted what is no JSON: %v", err)
		}
		if same.Protocol != Protocol || same.OK != (a.failure == nil) || same.Extension.Name != a.key.Name || !slices.Equal(same.Hooks, a.hooks) {
			t.Fatalf("read %+v, encoding/json reads %+v", a, same)
		}
		again, err := decodeAnswer(encodeAnswer(t, a))
		if err != nil || !reflect.DeepEqual(again, a) {
			t.Fatalf("read %+v, and after it was written anew %+v: %v", a, again, err)
		}
	})
}

// answerSeeds are answers that are right, wrong in form, cut, and heavy.
func answerSeeds() []string {
	return []string{
		goodAnswer, refusal, goodAnswer + goodAnswer, goodAnswer[:50],
		`{"protocol":1,"ok":true,"ok":false}`, `{"protocol":2,"news":[]}`, `{"protocol":1e0,"ok":true}`, `{"PROTOCOL":1,"Ok":true}`,
		strings.Replace(goodAnswer, "[]", `["configure","install","uninstall","verify"]`, 1),
		strings.Replace(goodAnswer, "sample", "\\ud800\\u0000\u2028", 1),
		strings.Replace(refusal, "mod.nu", "../../../etc/passwd\\n", 1),
		strings.Replace(refusal, `"line":1`, `"line":2147483648`, 1),
		strings.ReplaceAll(refusal, `"m"`, `"`+strings.Repeat("\u00e9", maxMessage)+`"`),
		strings.Replace(refusal, `[{`, `[`+strings.Repeat(`{"file":"a.nu","line":9,"column":9,"message":"","code":""},`, 40)+`{`, 1),
		strings.Repeat("[", 10000), strings.Repeat(`{"a":`, maxDepth+1), "\xef\xbb\xbf" + goodAnswer, goodAnswer + "\xff",
	}
}

// encodeAnswer writes an answer in the documented form.
func encodeAnswer(t *testing.T, a answer) []byte {
	t.Helper()
	type object map[string]any
	document := object{"protocol": Protocol, "ok": a.failure == nil}
	if a.failure == nil {
		document["extension"] = object{"type": a.key.Type, "name": a.key.Name, "version": a.key.Version}
		document["hooks"] = a.hooks
	} else {
		diagnostics := []object{}
		for _, d := range a.failure.diagnostics {
			diagnostics = append(diagnostics, object{"file": d.File, "line": d.Line, "column": d.Column, "message": d.Message, "code": d.Code})
		}
		document["error"] = object{"code": a.failure.code, "message": a.failure.message, "diagnostics": diagnostics}
	}
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Whatever a process prints, its load ends with hooks or with a Fault that is one printable line of bounded length; and what
// is kept of its standard error for the log is bounded too.
func FuzzAnswerFault(f *testing.F) {
	for i, seed := range answerSeeds() {
		f.Add([]byte(seed), []byte("Error: x\n"), i%3)
	}
	f.Add([]byte("{}"), []byte("Begin snippet for /etc/passwd starting at line 1, column 1\nsnippet line 1: SECRET\n    label at line 1, column 2: SECRET\n"), 1)
	l := &load{place: place{dir: "/nowhere"}, folder: "/nowhere/taskserv/sample", plan: extension.Plan{Members: []extension.Member{member("sample")}}}
	f.Fuzz(func(t *testing.T, stdout, stderr []byte, exitCode int) {
		if len(stdout) == 0 {
			stdout = []byte{' '} // without an answer nu is asked again
		}
		_, err := l.read(t.Context(), sandbox.Result{Stdout: stdout, Stderr: stderr, ExitCode: exitCode})
		if err == nil {
			return
		}
		var fault *extension.Fault
		if !errors.As(err, &fault) {
			t.Fatalf("want a Fault, have %v", err)
		}
		m := fault.Message
		if m == "" || len(m) > maxMessage || !utf8.ValidString(m) || strings.ContainsFunc(m, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Fatalf("a message of %d bytes: %q", len(m), m)
		}
		if fault.Code != extension.LoadFailed && fault.Code != extension.InvalidMetadata {
			t.Fatalf("code %s", fault.Code)
		}
		if n := len(fault.Cause.Error()); n > maxWords+100 {
			t.Fatalf("%d bytes for the log", n)
		}
	})
}

// A raw string ends at its first quote with as many # as it began with: that must be its last.
func FuzzRawString(f *testing.F) {
	for _, seed := range []string{"", "'", "#", "'#", "a'##b'#", "'####'", "'####'; exit 0 #"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		raw, err := rawString(text)
		if err != nil {
			return
		}
		fence := raw[1:strings.Index(raw, "'")]
		inner := raw[1+len(fence)+1:]
		if fence == "" || strings.Trim(fence, "#") != "" {
			t.Fatalf("%q does not begin as a raw string", raw)
		}
		if strings.Index(inner, "'"+fence) != len(text) || inner[:len(text)] != text {
			t.Fatalf("%q is not one raw string of %q", raw, text)
		}
	})
}
