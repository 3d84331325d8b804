// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"provisioning.dev/extension-operator/internal/step"
)

// field is a value as it was given, with the type that Nushell calls it.
type field struct{ Name, Type string }

// misfit is the failure of values that are not of the declared type, a record of Nushell such as
// record<name: string, nodes: list<string>>. It names the fields and the declared types, which are the extension's, and of
// what was given the outermost type alone.
func misfit(declared string, given []field) *failure {
	types := map[string]string{}
	for _, f := range given {
		types[f.Name] = f.Type
	}
	var certain, possible []string
	for _, want := range fieldsOf(declared) {
		is, present := types[want.Name]
		switch fit := fits(want.Type, is); {
		case !present:
			certain = append(certain, fmt.Sprintf("%s is missing, it must be %s", want.Name, want.Type))
		case fit == no:
			certain = append(certain, fmt.Sprintf("%s is of type %s, it must be %s", want.Name, kind(is), want.Type))
		case fit == perhaps:
			possible = append(possible, fmt.Sprintf("%s must be %s", want.Name, want.Type))
		}
	}
	if len(certain) == 0 {
		certain = possible
	}
	if len(certain) == 0 {
		certain = []string{"they must be " + declared}
	}
	return failed(step.InvalidValues, "the values do not fit: %s; correct spec.values, or what valuesFrom names", strings.Join(certain, "; "))
}

// fieldsOf takes a record type apart.
func fieldsOf(declared string) []field {
	var fields []field
	for _, text := range inside("record", declared) {
		if name, kind, found := strings.Cut(text, ": "); found {
			fields = append(fields, field{Name: strings.Trim(name, "\"'`"), Type: kind})
		}
	}
	return fields
}

// inside are the parts between the angle brackets of a type of this kind, apart by commas.
func inside(kind, of string) []string {
	text, isKind := strings.CutPrefix(of, kind+"<")
	text, closed := strings.CutSuffix(text, ">")
	if !isKind || !closed {
		return nil
	}
	var parts []string
	depth, begin := 0, 0
	for i, r := range text {
		switch {
		case r == '<':
			depth++
		case r == '>':
			depth--
		case r == ',' && depth == 0:
			parts = append(parts, strings.TrimSpace(text[begin:i]))
			begin = i + 1
		}
	}
	return append(parts, strings.TrimSpace(text[begin:]))
}

// kind is the outermost word of a type. A table is a list of records that have the same fields.
func kind(of string) string {
	word, _, _ := strings.Cut(of, "<")
	if word == "table" {
		return "list"
	}
	return word
}

// fit says whether a value is of a type, as far as the names of the types tell.
type fit int

const (
	no fit = iota
	perhaps
	yes
)

func fits(declared, given string) fit {
	want, is := kind(declared), kind(given)
	switch {
	case want == "any", declared == given, want == "number" && (is == "int" || is == "float"):
		return yes
	case want == "oneof":
		best := no
		for _, one := range inside("oneof", declared) {
			best = max(best, fits(one, given))
		}
		return best
	case want != is:
		return no
	case want == declared:
		return yes
	default:
		return perhaps
	}
}
