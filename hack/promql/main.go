// SPDX-License-Identifier: Apache-2.0

// Command promql checks a rule file of Prometheus, and expressions of standard input, one a line. It prints the names of the
// metrics that they read, one a line and sorted. Prometheus' own parser does it, in a module of its own: it has needs
// that are not the operator's.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: promql RULES <EXPRESSIONS")
		os.Exit(2)
	}
	names, err := check(os.Args[1], os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		fmt.Println(name)
	}
}

func check(rules string, expressions io.Reader) (names map[string]bool, err error) {
	p := parser.NewParser(parser.Options{})
	groups, problems := rulefmt.ParseFile(rules, false, model.UTF8Validation, p, slog.Default())
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	names = map[string]bool{}
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			if err := read(p, rule.Expr, names); err != nil {
				return nil, err
			}
		}
	}
	lines := bufio.NewScanner(expressions)
	for lines.Scan() {
		if err := read(p, lines.Text(), names); err != nil {
			return nil, err
		}
	}
	return names, lines.Err()
}

// read parses an expression and adds the metrics that it reads.
func read(p parser.Parser, text string, names map[string]bool) error {
	expr, err := p.ParseExpr(text)
	if err != nil {
		return fmt.Errorf("%s: %w", text, err)
	}
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if selector, ok := node.(*parser.VectorSelector); ok {
			names[selector.Name] = true
		}
		return nil
	})
	return nil
}
