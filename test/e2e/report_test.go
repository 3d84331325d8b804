// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
)

// figures are what the suite measured, in the order in which it did.
var figures [][2]string

// figure writes one down for the table at the end.
func figure(what string, values ...any) {
	words := []string{}
	for _, v := range values {
		words = append(words, fmt.Sprint(v))
	}
	figures = append(figures, [2]string{what, strings.Join(words, ", ")})
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// A spec that failed leaves what there was to see, before what it has made goes with it.
var _ = JustAfterEach(func() {
	if spec := CurrentSpecReport(); spec.Failed() {
		dumpOf(spec)
	}
})

// So does one whose clean-up failed.
var _ = ReportAfterEach(func(spec SpecReport) {
	if spec.Failed() && spec.Failure.FailureNodeType.Is(types.NodeTypeCleanupAfterEach) {
		dumpOf(spec)
	}
})

func dumpOf(spec SpecReport) {
	dump(notInNames.ReplaceAllString(strings.ToLower(spec.LeafNodeText), "-"))
}

// dump writes objects, Events and the operator's logs into a folder of this run.
func dump(name string) {
	folder := filepath.Join("failed", name)
	for file, args := range map[string][]string{
		"objects.txt":        {"get", "extensions,installations,jobs,pods,deployments,configmaps", "-A", "-o", "wide"},
		"extensions.yaml":    {"get", "extensions", "-A", "-o", "yaml"},
		"installations.yaml": {"get", "installations", "-A", "-o", "yaml"},
		"jobs.yaml":          {"get", "jobs,pods", "-A", "-o", "yaml"},
		"events.txt":         {"get", "events", "-A", "--sort-by=.metadata.creationTimestamp"},
		"manager.log":        {"-n", system, "logs", "-l", "app.kubernetes.io/name=extension-operator", "--prefix", "--tail=-1"},
		"previous.log":       {"-n", system, "logs", "-l", "app.kubernetes.io/name=extension-operator", "--prefix", "--tail=-1", "--previous"},
	} {
		out, err := try(args...)
		if err != nil {
			out += "\n" + err.Error() + "\n"
		}
		write(filepath.Join(folder, file), out)
	}
	fmt.Printf("what there was to see: %s\n", filepath.Join(need("E2E_OUT"), folder))
}

var _ = ReportAfterSuite("figures", func(report Report) {
	var table strings.Builder
	for _, f := range figures {
		fmt.Fprintf(&table, "%-62s %s\n", f[0], f[1])
	}
	took := map[string]time.Duration{}
	for _, spec := range report.SpecReports {
		if spec.LeafNodeType == types.NodeTypeIt && spec.State != types.SpecStateSkipped {
			took[strings.Join(spec.Labels(), ",")] += spec.RunTime
		}
	}
	for _, labels := range slices.Sorted(maps.Keys(took)) {
		fmt.Fprintf(&table, "%-62s %s\n", "specs "+labels, took[labels].Round(100*time.Millisecond))
	}
	fmt.Fprintf(&table, "%-62s %s\n", "suite", report.RunTime.Round(time.Second))
	fmt.Printf("\n%s\n", table.String())
	write("figures.txt", table.String())
})
