// SPDX-License-Identifier: Apache-2.0

package nushell

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

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
	l, err := runner.prepare(b.Context(), s.plan, false)
	if err != nil {
		b.Fatal(err)
	}
	load.cpu, load.runs = 0, 0
	if err := l.stage.Fill(b.Context(), s.plan.Members); err != nil {
		b.Fatal(err)
	}
	defer l.end()
	wrapper := l.command("-c", l.prelude+bareWrapper)
	var loadWall, bareWall, openWall time.Duration
	for b.Loop() {
		start := time.Now()
		if _, err := runner.Check(b.Context(), s.plan, false); err != nil {
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

// BenchmarkWarmCheck measures a load on a Nushell that waits, until its answer is read and the process gone, for the least
// module and for one of the built-in library, and the memory that is one waiting worker's alone. Times are medians.
func BenchmarkWarmCheck(b *testing.B) {
	etcd := sample{stage: b.TempDir()}
	if err := os.CopyFS(filepath.Join(etcd.stage, "taskserv", "sample"), os.DirFS(filepath.Join(library, "taskservs", "etcd"))); err != nil {
		b.Fatal(err)
	}
	files{"manifest.toml": manifest("sample")}.write(b, filepath.Join(etcd.stage, "taskserv", "sample"))
	etcd.add("sample")
	small := stage(b, b.TempDir(), files{"mod.nu": install}, nil)
	for name, s := range map[string]sample{"small": small, "etcd": etcd} {
		b.Run(name, func(b *testing.B) {
			runner, stop := warmed(b, sharedRunner(b), 1)
			defer stop()
			var walls []time.Duration
			var memory int64
			for b.Loop() {
				b.StopTimer()
				await(b, func() bool { return runner.workers.count() == 1 })
				time.Sleep(50 * time.Millisecond) // until it waits
				memory = private(b, runner.workers.waiting[0].place.dir)
				b.StartTimer()
				start := time.Now()
				if checked, err := runner.Check(b.Context(), s.plan, false); err != nil || !checked.Process.Warm {
					b.Fatal(err, checked.Process)
				}
				walls = append(walls, time.Since(start))
			}
			slices.Sort(walls)
			b.ReportMetric(float64(walls[len(walls)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(walls[len(walls)*99/100].Microseconds())/1000, "p99-ms")
			b.ReportMetric(float64(memory)/1024, "idle-private-MiB")
		})
	}
}

// private is the memory, in KiB, that is alone of the process that works in a folder.
func private(b *testing.B, folder string) int64 {
	b.Helper()
	folders, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		b.Fatal(err)
	}
	for _, link := range folders {
		if target, _ := os.Readlink(link); target != folder {
			continue
		}
		text, err := os.ReadFile(filepath.Join(filepath.Dir(link), "smaps_rollup"))
		if err != nil {
			b.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(text), "Private_Dirty:")
		var kib int64
		if _, err := fmt.Sscan(rest, &kib); err != nil {
			b.Fatal(err)
		}
		return kib
	}
	b.Fatal("no process works in " + folder)
	return 0
}

// BenchmarkThroughput has four loads go on at a time: cold, with workers, and bare Nushells with the bare wrapper, in
// turns. It reports loads per second, and the first two ÷ the third.
func BenchmarkThroughput(b *testing.B) {
	const parallel, batch = 4, 100
	s := stage(b, b.TempDir(), files{"mod.nu": install}, nil)
	cold := sharedRunner(b)
	warm, stop := warmed(b, cold, parallel)
	defer stop()
	l, err := cold.prepare(b.Context(), s.plan, false)
	if err != nil {
		b.Fatal(err)
	}
	defer l.end()
	if err := l.stage.Fill(b.Context(), s.plan.Members); err != nil {
		b.Fatal(err)
	}
	open, wrapper := noSandbox(b), l.command("-c", l.prelude+bareWrapper)
	checked := func(r *Runner) func() error {
		return func() error { _, err := r.Check(b.Context(), s.plan, false); return err }
	}
	ways := map[string]func() error{
		"cold": checked(cold), "warm": checked(warm),
		"bare": func() error { _, err := open.Run(b.Context(), wrapper, cold.options.Limits); return err },
	}
	took := map[string]time.Duration{}
	for b.Loop() {
		for name, once := range ways {
			start := time.Now()
			var group errgroup.Group
			group.SetLimit(parallel)
			for range batch {
				group.Go(once)
			}
			if err := group.Wait(); err != nil {
				b.Fatal(err)
			}
			took[name] += time.Since(start)
		}
	}
	for name := range ways {
		b.ReportMetric(float64(batch*b.N)/took[name].Seconds(), name+"/s")
	}
	b.ReportMetric(took["bare"].Seconds()/took["cold"].Seconds(), "cold÷bare")
	b.ReportMetric(took["bare"].Seconds()/took["warm"].Seconds(), "warm÷bare")
}
