// SPDX-License-Identifier: Apache-2.0

package nushell

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

const refusal = `{"protocol":1,"ok":false,"error":{"code":"LoadFailed","message":"m","diagnostics":[{"file":"mod.nu","line":1,"column":2,"message":"m","code":"c"}]}}`

func TestAnswersAreReadStrictly(t *testing.T) {
	with := func(before, after string) string { return strings.Replace(goodAnswer, before, after, 1) }
	refused := func(before, after string) string { return strings.Replace(refusal, before, after, 1) }
	for text, problem := range map[string]string{
		"":                                     "it printed nothing",
		" \n":                                  "it printed nothing",
		"[]":                                   "its answer is not a JSON object",
		"null":                                 "its answer is not a JSON object",
		"{}":                                   "its answer has no protocol number",
		`{"protocol":1`:                        "its answer ends in the middle of a JSON document",
		strings.Repeat("[", maxDepth+1):        "its answer is nested deeper than 8 levels",
		goodAnswer + "x":                       "it printed more than one JSON document",
		goodAnswer + "{}":                      "it printed more than one JSON document",
		with(`:1,`, `:1.0,`):                   "its answer has protocol 1.0, this operator reads 1",
		with(`:1,`, `:"1",`):                   "its answer has no protocol number",
		with(`"ok":true`, `"ok":1`):            "ok is neither true nor false",
		with(`"ok":true,`, ``):                 "answer has no field ok",
		with(`"hooks":[]`, `"hooks":null`):     "hooks is not a list",
		with(`"hooks":[]`, `"hooks":["main"]`): "hooks names what is none of",
		with(`[]`, `["verify","install"]`):     "hooks are not sorted, each once",
		with(`[]`, `["verify","verify"]`):      "hooks are not sorted, each once",
		with(`[]`, `[],"path":"x"`):            `unknown field "path"`,
		with(`"type":"taskserv",`, ``):         "extension has no field type",
		with(`"1.0.0"`, `1`):                   "version is not a string",
		with(`"name":`, `"name":"a","name":`):  `has the key "name" twice`,
		refused(`"LoadFailed"`, `"LimitExceeded"`):      "code is neither LoadFailed nor InvalidMetadata",
		refused(`"message":"m"`, `"message":""`):        "message is empty",
		refused(`"line":1`, `"line":0`):                 "line is not a whole number from 1 on",
		refused(`"column":2`, `"column":1e3`):           "column is not a whole number from 1 on",
		refused(`"line":1`, `"line":99999999999999`):    "line is not a whole number from 1 on",
		refused(`"diagnostics":[`, `"diagnostics":[3,`): "diagnostic is not an object",
	} {
		_, err := decodeAnswer([]byte(text))
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring(problem)), text)
	}
	g := NewWithT(t)
	good, err := decodeAnswer([]byte(goodAnswer))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(good.key).To(Equal(member("sample").Key))
	bad, err := decodeAnswer([]byte(refusal))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(bad.failure.diagnostics).To(Equal([]diagnostic{{"mod.nu", 1, 2, "m", "c"}}))
}
