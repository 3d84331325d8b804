// SPDX-License-Identifier: Apache-2.0

package nushell

import (
	"context"
	"testing"
	"time"

	"provisioning.dev/extension-operator/internal/sandbox"
)

// metered adds up what the processes of a sandbox cost.
type metered struct {
	Sandbox
	cpu  time.Duration
	runs int
}

func (m *metered) Run(ctx context.Context, c sandbox.Command, l sandbox.Limits) (sandbox.Result, error) {
	result, err := m.Sandbox.Run(ctx, c, l)
	m.cpu += result.CPU
	m.runs++
	return result, err
}

// bareWrapper is the least that parses an extension and checks its hook, without what is told of it.
const bareWrapper = `module extension { export use $EXTENSION * }
use extension
def check [v: any] { extension install $v }
print --raw ({ok: true, module: (scope modules | where name == extension | first)} | to json --raw)
exit 0
`

// BenchmarkColdCheck measures a cold load, the bare wrapper in the same sandbox and the bare wrapper without the helper, in
// turns: the ratios are those of one run.
func BenchmarkColdCheck(b *testing.B) {
	s := stage(b, b.TempDir(), files{"mod.nu": install}, nil)
	var load, bare, open metered
	load.Sandbox, bare.Sandbox = realSandbox(b), realSandbox(b)
	open.Sandbox = noSandbox(b)
	o := options(b)
	o.Sandbox = &load
	runner := New(o)
	l, err := runner.prepare(b.Context(), s.stage, s.plan)
	if err != nil {
		b.Fatal(err)
	}
	load.cpu, load.runs = 0, 0
	wrapper := l.command("-c", l.prelude+bareWrapper)
	var loadWall, bareWall, openWall time.Duration
	for b.Loop() {
		start := time.Now()
		if _, err := runner.Check(b.Context(), s.stage, s.plan, false); err != nil {
			b.Fatal(err)
		}
		loadWall += time.Since(start)
		start = time.Now()
		if result, err := bare.Run(b.Context(), wrapper, o.Limits); err != nil || result.ExitCode != 0 {
			b.Fatal(err, string(result.Stderr))
		}
		bareWall += time.Since(start)
		start = time.Now()
		if result, err := open.Run(b.Context(), wrapper, o.Limits); err != nil || result.ExitCode != 0 {
			b.Fatal(err, string(result.Stderr))
		}
		openWall += time.Since(start)
	}
	runs := float64(load.runs)
	b.ReportMetric(load.cpu.Seconds()*1000/runs, "cpu-ms/load")
	b.ReportMetric(loadWall.Seconds()*1000/runs, "wall-ms/load")
	b.ReportMetric(load.cpu.Seconds()/bare.cpu.Seconds(), "cpu/boxed")
	b.ReportMetric(loadWall.Seconds()/bareWall.Seconds(), "wall/boxed")
	b.ReportMetric(load.cpu.Seconds()/open.cpu.Seconds(), "cpu/bare")
	b.ReportMetric(loadWall.Seconds()/openWall.Seconds(), "wall/bare")
}

// BenchmarkToolchainUnchanged is what every look at the toolchain costs while nothing is replaced.
func BenchmarkToolchainUnchanged(b *testing.B) {
	runner := sharedRunner(b)
	for b.Loop() {
		if _, err := runner.Toolchain(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
