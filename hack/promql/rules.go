// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

var promQL = parser.NewParser(parser.Options{})

// readRules reads a rule file, which Prometheus' own checks pass.
func readRules(path string) (rules []rulefmt.Rule, err error) {
	file, problems := rulefmt.ParseFile(path, false, model.UTF8Validation, promQL, slog.Default())
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	for _, group := range file.Groups {
		rules = append(rules, group.Rules...)
	}
	return rules, nil
}

func printNames(path string, expressions io.Reader, out io.Writer) error {
	rules, err := readRules(path)
	if err != nil {
		return err
	}
	names := map[string]bool{}
	for _, rule := range rules {
		if err := addNames(rule.Expr, names); err != nil {
			return err
		}
	}
	lines := bufio.NewScanner(expressions)
	for lines.Scan() {
		if err := addNames(lines.Text(), names); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		fmt.Fprintln(out, name)
	}
	return lines.Err()
}

// addNames parses an expression and adds the metrics that it reads.
func addNames(text string, names map[string]bool) error {
	expr, err := promQL.ParseExpr(text)
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
