// SPDX-License-Identifier: Apache-2.0

package nushell

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"provisioning.dev/extension-operator/internal/sandbox"
)

// plainError is the first error of nu's standard error in the style "plain".
type plainError struct {
	// title is the error's first line, label what it says of the place.
	title, label string
	// file as nu names it: "source" for the program itself, empty where it names none.
	file         string
	line, column int
	code         string
}

var (
	titleLine   = regexp.MustCompile(`(?m)^Error: (.*)$`)
	snippetLine = regexp.MustCompile(`(?s)Begin snippet for (.*?) starting at line \d+, column \d+\n`)
	labelLine   = regexp.MustCompile(`(?m)^    label (?:starting )?at line (\d+), columns? (\d+)(?: to \d+)?(?:: (.*))?$`)
	codeLine    = regexp.MustCompile(`(?m)^diagnostic code: (\S+)$`)
)

func parsePlainError(stderr string) plainError {
	var e plainError
	// Warnings come before the error, in the same form.
	if start := titleLine.FindStringIndex(stderr); start != nil {
		stderr = stderr[start[0]:]
	}
	if m := titleLine.FindStringSubmatch(stderr); m != nil {
		e.title = strings.TrimPrefix(m[1], "Error: ")
	}
	if m := codeLine.FindStringSubmatch(stderr); m != nil {
		e.code = m[1]
	}
	place := snippetLine.FindStringSubmatchIndex(stderr)
	if place == nil {
		return e
	}
	m := labelLine.FindStringSubmatch(stderr[place[1]:])
	if m == nil {
		return e
	}
	line, errLine := strconv.Atoi(m[1])
	column, errColumn := strconv.Atoi(m[2])
	if errLine != nil || errColumn != nil {
		return e
	}
	e.file, e.line, e.column, e.label = stderr[place[2]:place[3]], line, column, strings.TrimSpace(m[3])
	return e
}

// message is the title and what the label adds to it.
func (e plainError) message() string {
	if e.label == "" || strings.EqualFold(strings.TrimSuffix(e.title, "."), strings.TrimSuffix(e.label, ".")) {
		return e.title
	}
	return strings.TrimSuffix(e.title, ".") + ": " + e.label
}

// shownPath maps a file as nu names it to the path that people know. own tells whether it lies in the root's folder, links
// resolved: only then may its text be shown.
func (l *load) shownPath(file string) (shown string, own bool) {
	clean := filepath.Clean(file)
	resolved, err := filepath.EvalSymlinks(clean)
	if err != nil || resolved != clean {
		return filepath.Base(clean), false
	}
	root := l.plan.Root()
	for _, m := range l.plan.Members {
		below, found := strings.CutPrefix(clean, l.folderOf(m.Key)+string(os.PathSeparator))
		if found {
			return m.Path + "/" + filepath.ToSlash(below), m.Key == root.Key
		}
	}
	return filepath.Base(clean), false
}

// maxWords is how much of a standard error reaches the log, in bytes.
const maxWords = 8 << 10

// words are nu's standard error for the log: cut, printable, and without the lines of any file. Of an error in a file that
// is not the extension's own only the code is kept, since labels name what the file holds.
func (l *load) words(result sandbox.Result) error {
	text := string(result.Stderr)
	foreign := false
	for _, snippet := range snippetLine.FindAllStringSubmatch(text, -1) {
		if file := snippet[1]; file != "source" {
			_, own := l.shownPath(file)
			foreign = foreign || !own
		}
	}
	var kept strings.Builder
	for line := range strings.Lines(strings.ReplaceAll(text, l.dir, "<stage>")) {
		line = clip(strings.TrimRight(line, "\r\n"), maxProblem)
		if strings.HasPrefix(line, "snippet line ") || foreign && !strings.HasPrefix(line, "diagnostic code: ") {
			continue
		}
		if kept.Len()+len(line)+1 > maxWords {
			break
		}
		kept.WriteString(line + "\n")
	}
	return fmt.Errorf("exit code %d, standard error: %s", result.ExitCode, strings.TrimSpace(kept.String()))
}
