// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// events are what go test -json prints for a package that passes, one with a failing and a skipped test, one that a timeout
// cut off and one without tests.
const events = `{"Action":"output","Package":"good","Test":"TestA","Output":"quiet\n"}
{"Action":"output","Package":"good","Test":"TestA","Output":"Ran 7 of 8 Specs in 0.1 seconds\n"}
{"Action":"pass","Package":"good","Test":"TestA","Elapsed":0.1}
{"Action":"pass","Package":"good","Elapsed":0.2}
{"Action":"output","Package":"bad","Test":"TestB","Output":"b went wrong\n"}
{"Action":"fail","Package":"bad","Test":"TestB","Elapsed":0.1}
{"Action":"skip","Package":"bad","Test":"TestC","Elapsed":0}
{"Action":"fail","Package":"bad","Elapsed":0.2}
{"Action":"output","Package":"slow","Test":"TestD","Output":"panic: test timed out\n"}
{"Action":"fail","Package":"slow","Elapsed":9}
{"ImportPath":"broken","Action":"build-output","Output":"broken.go:1: no\n"}
{"Action":"fail","Package":"broken","Elapsed":0}
{"Action":"skip","Package":"empty","Elapsed":0}
`

func TestReportSumsUp(t *testing.T) {
	g := NewWithT(t)
	var out bytes.Buffer
	report := newReport(&out)
	g.Expect(report.read(strings.NewReader(events))).To(Succeed())
	report.sum()
	g.Expect(out.String()).To(Equal(`pass  good  0.2s  1 tests
b went wrong
fail  bad  0.2s  2 tests
panic: test timed out
fail  slow  9.0s  0 tests
broken.go:1: no
fail  broken  0.0s  0 tests

skipped: bad TestC
failed:  bad TestB
failed:  broken
failed:  slow TestD
Ginkgo specs among them: 7
1 passed, 3 failed, 1 skipped
`))
}

func TestReportRefusesGarbage(t *testing.T) {
	g := NewWithT(t)
	g.Expect(newReport(&bytes.Buffer{}).read(strings.NewReader("not json"))).
		To(MatchError(ContainSubstring("read the output of go test")))
}
