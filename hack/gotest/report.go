// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// event is one line of go test -json, as `go doc test2json` describes it.
type event struct {
	Action  string
	Package string
	Test    string
	Elapsed float64 // seconds
	Output  string
}

// report counts events and prints what a person wants to see of them.
type report struct {
	out             io.Writer
	output          map[test][]string // of what has not ended yet
	tests           map[string]int    // ended tests by package
	failed, skipped []string
	passed, specs   int
}

// test names a test, or with an empty name its package.
type test struct{ pkg, name string }

// ginkgoSummary is the line with which a Ginkgo suite, one test to go test, tells how many specs it ran.
var ginkgoSummary = regexp.MustCompile(`Ran (\d+) of \d+ Specs`)

func newReport(out io.Writer) *report {
	return &report{out: out, output: map[test][]string{}, tests: map[string]int{}}
}

func (r *report) add(e event) {
	key := test{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		r.printf("%s", e.Output)
	case "output":
		r.output[key] = append(r.output[key], e.Output)
		if match := ginkgoSummary.FindStringSubmatch(e.Output); match != nil {
			ran, _ := strconv.Atoi(match[1]) // digits by the pattern
			r.specs += ran
		}
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.packageEnded(e)
		} else {
			r.testEnded(e)
		}
		delete(r.output, key)
	}
}

func (r *report) testEnded(e event) {
	name := e.Package + " " + e.Test
	r.tests[e.Package]++
	switch e.Action {
	case "pass":
		r.passed++
	case "skip":
		r.skipped = append(r.skipped, name)
	case "fail":
		r.failed = append(r.failed, name)
		r.print(r.output[test{e.Package, e.Test}])
	}
}

func (r *report) packageEnded(e event) {
	if e.Action == "fail" {
		r.unended(e.Package)
		r.print(r.output[test{e.Package, ""}])
		ofPackage := func(name string) bool { return strings.HasPrefix(name, e.Package+" ") }
		if !slices.ContainsFunc(r.failed, ofPackage) { // it did not build, or ended outside a test
			r.failed = append(r.failed, e.Package)
		}
	}
	if e.Action == "skip" { // a package without tests
		return
	}
	r.printf("%-4s  %s  %.1fs  %d tests\n", e.Action, e.Package, e.Elapsed, r.tests[e.Package])
}

// unended prints the output of tests that a crash or a timeout cut off.
func (r *report) unended(pkg string) {
	for key, lines := range r.output {
		if key.pkg == pkg && key.name != "" {
			r.failed = append(r.failed, key.pkg+" "+key.name)
			r.print(lines)
		}
	}
}

// sum prints the last lines.
func (r *report) sum() {
	slices.Sort(r.failed)
	r.printf("\n")
	for _, name := range r.skipped {
		r.printf("skipped: %s\n", name)
	}
	for _, name := range r.failed {
		r.printf("failed:  %s\n", name)
	}
	r.printf("Ginkgo specs among them: %d\n%d passed, %d failed, %d skipped\n", r.specs, r.passed, len(r.failed), len(r.skipped))
}

func (r *report) print(lines []string) {
	for _, line := range lines {
		r.printf("%s", line)
	}
}

func (r *report) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(r.out, format, args...)
}
