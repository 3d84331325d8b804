// SPDX-License-Identifier: Apache-2.0

//go:build linux

package sandbox_test

import (
	"context"
	"os/exec"
	"slices"
	"testing"
	"time"

	"provisioning.dev/extension-operator/internal/sandbox"
)

// sample is one run: its wall time and the CPU time of the process.
type sample struct{ wall, cpu time.Duration }

// BenchmarkStart compares ways to start a program, in turns within one run, so that the machine's load meets all alike.
// It reports medians in ms, and the sandboxed nu ÷ the bare one.
func BenchmarkStart(b *testing.B) {
	nothing := held("exit=0")
	answer := nu(b, "print 1; exit 0")
	ways := []struct {
		name string
		run  func(*testing.B) sample
	}{
		{"captive-bare", func(b *testing.B) sample { return bare(b, nothing) }},
		{"captive-helper", func(b *testing.B) sample { return through(b, helper, nothing) }},
		{"nu-bare", func(b *testing.B) sample { return bare(b, answer) }},
		{"nu-group", func(b *testing.B) sample { return through(b, "", answer) }},
		{"nu-helper", func(b *testing.B) sample { return through(b, helper, answer) }},
	}
	walls, cpus := make([][]time.Duration, len(ways)), make([][]time.Duration, len(ways))
	for b.Loop() {
		for i, way := range ways {
			one := way.run(b)
			walls[i], cpus[i] = append(walls[i], one.wall), append(cpus[i], one.cpu)
		}
	}
	for i, way := range ways {
		b.ReportMetric(ms(walls[i]), way.name+"-wall-ms")
		b.ReportMetric(ms(cpus[i]), way.name+"-cpu-ms")
	}
	b.ReportMetric(ms(walls[1])-ms(walls[0]), "helper-alone-wall-ms")
	b.ReportMetric(ms(walls[4])/ms(walls[2]), "nu-helper÷bare-wall")
	b.ReportMetric(ms(cpus[4])/ms(cpus[2]), "nu-helper÷bare-cpu")
}

// bare starts a program the plain way.
func bare(b *testing.B, c sandbox.Command) sample {
	b.Helper()
	started := time.Now()
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Env = append([]string{}, c.Env...)
	if _, err := cmd.Output(); err != nil {
		b.Fatal(err)
	}
	return sample{time.Since(started), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
}

func through(b *testing.B, helper string, c sandbox.Command) sample {
	b.Helper()
	box, limits := newBox(b, helper), roomy()
	started := time.Now()
	result, err := box.Run(context.Background(), c, limits)
	if err != nil || result.ExitCode != 0 {
		b.Fatal(err, result.ExitCode, string(result.Stderr))
	}
	return sample{time.Since(started), result.CPU}
}

func ms(all []time.Duration) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return float64(sorted[len(sorted)/2].Microseconds()) / 1000
}
