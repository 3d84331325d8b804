// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/step"
)

func sources(texts ...string) fstest.MapFS {
	folder := fstest.MapFS{"..data": {Data: []byte("not: read")}}
	for i, text := range texts {
		folder[fmt.Sprintf("%03d", i)] = &fstest.MapFile{Data: []byte(text)}
	}
	return folder
}

func TestValuesAreMerged(t *testing.T) {
	for name, c := range map[string]struct {
		sources []string
		merged  string
	}{
		"none":                {nil, `{}`},
		"empty":               {[]string{"", "# only a comment\n", "null", "---\n"}, `{}`},
		"one":                 {[]string{"a: 1\nb: [x]\n"}, `{"a":1,"b":["x"]}`},
		"JSON":                {[]string{`{"a": {"b": null}}`}, `{"a":{"b":null}}`},
		"later wins":          {[]string{"a: 1\nb: 1", "b: 2\nc: 2", "c: 3"}, `{"a":1,"b":2,"c":3}`},
		"records, deep":       {[]string{"r: {a: {x: 1, z: 1}, b: 1}", "r: {a: {w: 2, z: 2}}"}, `{"r":{"a":{"w":2,"x":1,"z":2},"b":1}}`},
		"lists as a whole":    {[]string{"l: [1, 2, 3]", "l: [4]"}, `{"l":[4]}`},
		"a text for a record": {[]string{"a: {x: 1}", "a: off"}, `{"a":false}`},
		"a record for a text": {[]string{"a: x", "a: {x: 1}"}, `{"a":{"x":1}}`},
		"null":                {[]string{"a: {x: 1}", "a: null"}, `{"a":null}`},
		"numbers as written":  {[]string{"a: 9007199254740993\nb: 1.5\nc: '1.10'"}, `{"a":9007199254740993,"b":1.5,"c":"1.10"}`},
		"a marked document":   {[]string{"# of mine\n---\na: 1\n"}, `{"a":1}`},
		"anchors":             {[]string{"a: &x {b: 1}\nc: *x\n"}, `{"a":{"b":1},"c":{"b":1}}`},
	} {
		t.Run(name, func(t *testing.T) {
			merged, err := readValues(sources(c.sources...))
			NewWithT(t).Expect(err).NotTo(HaveOccurred())
			NewWithT(t).Expect(string(merged)).To(Equal(c.merged))
		})
	}
}

func TestValuesThatAreNoneAreRefused(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]\n")
	for i := range 9 {
		fmt.Fprintf(&bomb, "a%d: &a%d [%s]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d, ", i), 8))
	}
	for name, c := range map[string]struct{ text, says string }{
		"a list":           {"[1]", "the values of 000 are no record; write them as name: value"},
		"a text":           {"hello", "are no record"},
		"no YAML":          {"a: b: c", "the values of 000 are not YAML"},
		"twice":            {"a: 1\na: 2", "are not YAML"},
		"several":          {"a: 1\n---\nb: 2\n", "are several YAML documents; give one"},
		"several, marked":  {"---\na: 1\n---\nb: 2\n", "are several YAML documents"},
		"an alias bomb":    {bomb.String(), "are not YAML"},
		"no number":        {"a: .nan", "are not YAML"},
		"too much":         {"a: " + strings.Repeat("x", maxValues), "the values are larger than 1024 KiB with 000"},
		"binary":           {"a: \x00\x01", "are not YAML"},
		"no UTF-8":         {"a: \xff\xfe", "are not YAML"},
		"a key of a list":  {"? [a]\n: 1\n", "are not YAML"},
		"an unknown alias": {"a: *x", "are not YAML"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			began := time.Now()
			_, err := readValues(sources(c.text))
			g.Expect(time.Since(began)).To(BeNumerically("<", 5*time.Second))
			g.Expect(err).To(MatchError(ContainSubstring(c.says)))
			var f *failure
			g.Expect(errors.As(err, &f)).To(BeTrue())
			g.Expect(f.reason).To(Equal(step.InvalidValues))
		})
	}
}

func FuzzValues(f *testing.F) {
	f.Add("a: 1", "a: {b: [1]}")
	f.Add("---\n", "\n---\n")
	f.Fuzz(func(t *testing.T, first, second string) {
		merged, err := readValues(sources(first, second))
		var failed *failure
		if err != nil && !errors.As(err, &failed) {
			t.Fatal(err)
		}
		if err == nil && (len(merged) < 2 || merged[0] != '{') {
			t.Fatalf("%s", merged)
		}
	})
}

// Values that do not fit are told by the names of the parameter's fields, as the hook declares them.
func TestValuesThatDoNotFit(t *testing.T) {
	const module = `
export def configure [values: record<name: string, nodes: list<record<a: int>>, size: number, free: any, maybe: oneof<int, nothing>>]: nothing -> record<files: record, objects: list> {
    {files: {}, objects: []}
}
`
	const good = "name: x\nnodes: [{a: 1}]\nsize: 1.5\nfree: []\nmaybe: null\n"
	for name, c := range map[string]struct{ over, says string }{
		"fits":           {"", ""},
		"fits with more": {"more: 1", ""}, // whether that is an error is the hook's to say
		"a wrong type":   {"name: 1", "the values do not fit: name is of type int, it must be string; correct spec.values, or what valuesFrom names"},
		"null":           {"name: null", "name is of type nothing, it must be string"},
		"two of them":    {"name: [x]\nsize: big", "name is of type list, it must be string; size is of type string, it must be number"},
		"inside a list":  {"nodes: [{a: one}]", "the values do not fit: nodes must be list<record<a: int>>; correct"},
		"no list":        {"nodes: {a: 1}", "nodes is of type record, it must be list<record<a: int>>"},
		"none of":        {"maybe: x", "maybe is of type string, it must be oneof<int, nothing>"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			e := newPod(t, module).values(good, c.over).run(step.Configure)
			if c.says == "" {
				g.Expect(e.State).To(Equal(step.Succeeded), e.log)
				return
			}
			g.Expect(e.Reason).To(Equal(step.InvalidValues), e.log)
			g.Expect(e.exit).To(Equal(1))
			g.Expect(e.Message).To(ContainSubstring(c.says))
		})
	}
	missing := newPod(t, module).values("name: x").run(step.Configure)
	NewWithT(t).Expect(missing.Message).To(ContainSubstring("nodes is missing, it must be list<record<a: int>>; size is missing, it must be number"))
}

// Unknown values are refused by the hooks of the built-in library themselves, in their words.
func TestUnknownValues(t *testing.T) {
	g := NewWithT(t)
	p := helloPod(t).values("greeting: hi\ngreting: oh")
	e := p.run(step.Configure)
	g.Expect(e.Reason).To(Equal(step.HookFailed))
	g.Expect(e.Message).To(Equal("configure failed: unknown value greting; known values: greeting, replicas, patience_s"))
}

func TestFieldsOfARecordType(t *testing.T) {
	g := NewWithT(t)
	g.Expect(fieldsOf("record<a: record<b: int, c: list<string>>, \"d e\": oneof<int, nothing>>")).To(Equal(
		[]field{{"a", "record<b: int, c: list<string>>"}, {"d e", "oneof<int, nothing>"}}))
	for _, none := range []string{"record", "record<>", "any", "", "record<a", "list<int>"} {
		g.Expect(fieldsOf(none)).To(BeEmpty(), none)
	}
	g.Expect(misfit("record", nil).message).To(ContainSubstring("they must be record"))
}
