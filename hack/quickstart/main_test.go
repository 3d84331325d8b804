// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"testing"

	. "github.com/onsi/gomega"
)

func TestHowItEndedIsTold(t *testing.T) {
	failed, left := errors.New("kubectl apply: signal: killed"), leftError{errors.New("the manager did not stop within 45s")}
	const stopped = "stopped; nothing is left running\n"
	for name, c := range map[string]struct {
		err           error
		interrupted   bool
		out, problems string
		status        int
	}{
		"all right":                       {},
		"a failure":                       {failed, false, "", "quickstart: kubectl apply: signal: killed\n", 1},
		"Ctrl-C":                          {nil, true, stopped, "", 0},
		"Ctrl-C in the middle":            {failed, true, stopped, "quickstart: kubectl apply: signal: killed\n", 0},
		"Ctrl-C, and the manager stays":   {left, true, "", "quickstart: the manager did not stop within 45s\n", 1},
		"Ctrl-C in the middle, and stays": {errors.Join(failed, left), true, "", "quickstart: kubectl apply: signal: killed\nthe manager did not stop within 45s\n", 1},
		"the manager stays":               {left, false, "", "quickstart: the manager did not stop within 45s\n", 1},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			var out, problems bytes.Buffer
			g.Expect(report(&out, &problems, c.err, c.interrupted)).To(Equal(c.status))
			g.Expect(out.String()).To(Equal(c.out))
			g.Expect(problems.String()).To(Equal(c.problems))
		})
	}
}
