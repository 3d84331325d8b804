// SPDX-License-Identifier: Apache-2.0

// Command promql does with rule files what Prometheus does, by its own parser, engine and templates, in a module of its
// own: they have needs that are not the operator's.
//
//	promql names RULES <EXPRESSIONS
//
// checks a rule file, and expressions of standard input, one a line. It prints the names of the metrics that they read, one a
// line and sorted.
//
//	promql test TESTS
//
// runs the alerts over the series of a file as `promtool test rules` takes it, of which it knows what alerts need. It prints the
// name of each test that passes.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string, in io.Reader, out io.Writer) error {
	if len(args) == 2 && args[0] == "names" {
		return printNames(args[1], in, out)
	}
	if len(args) == 2 && args[0] == "test" {
		return testFile(args[1], out)
	}
	return errors.New("usage: promql names RULES <EXPRESSIONS, or promql test TESTS")
}
