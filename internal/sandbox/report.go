// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"syscall"
	"time"
)

// The layers, by the names the helper, reports and statuses use.
const (
	LayerDescriptors = "descriptors"
	LayerNoNewPrivs  = "no_new_privs"
	LayerLandlock    = "landlock"         // rules about files
	LayerNetwork     = "landlock_network" // Landlock's rules about TCP
	LayerScope       = "landlock_scope"   // Landlock's rules about signals and abstract unix sockets
	LayerSeccomp     = "seccomp"
	LayerRlimits     = "rlimits"

	// LayerHelper is the helper itself, in an [UnavailableError]; it is never missing in a [Report].
	LayerHelper = "helper"
)

// The levels of a Report.
const (
	LevelNone     = "None"     // no layer: there is no helper
	LevelPartial  = "Partial"  // some layers
	LevelEnforced = "Enforced" // every layer
)

// layers is every layer in the order of Report.Missing.
var layers = []string{LayerDescriptors, LayerNoNewPrivs, LayerLandlock, LayerNetwork, LayerScope, LayerSeccomp, LayerRlimits}

// Layers are the names of every layer, in a fixed order.
func Layers() []string { return slices.Clone(layers) }

// Levels are all levels of a [Report].
func Levels() []string { return []string{LevelNone, LevelPartial, LevelEnforced} }

// Report says what held a process: one of the levels, and the layers that did not, in a fixed order.
type Report struct {
	Level   string
	Missing []string
}

// Has says whether the layer was enforced.
func (r Report) Has(layer string) bool {
	return slices.Contains(layers, layer) && !slices.Contains(r.Missing, layer)
}

// reportOf is the Report of the layers that were enforced.
func reportOf(enforced []string) Report {
	report := Report{Level: LevelPartial}
	for _, layer := range layers {
		if !slices.Contains(enforced, layer) {
			report.Missing = append(report.Missing, layer)
		}
	}
	switch len(report.Missing) {
	case 0:
		report.Level = LevelEnforced
	case len(layers):
		report.Level = LevelNone
	}
	return report
}

const (
	// reportDescriptor is the first of exec.Cmd.ExtraFiles in the child.
	reportDescriptor = 3
	// reportBytes and reportWait bound what is read of a helper that is not ours.
	reportBytes = 4 << 10
	reportWait  = time.Second
)

// What the helper calls a failed exec and a folder that cannot be opened; they are no layers.
const (
	stepExec = "exec"
	stepRead = "read"
	// callOpen is the call of stepExec that comes before the program is executed.
	callOpen = "open"
)

// errNoReport says that the helper ended before it became the program.
var errNoReport = errors.New("it ended without a report")

// reportLine is one line the helper writes: what it enforced, or what failed.
type reportLine struct {
	Enforced []string      `json:"enforced"`
	Failed   string        `json:"failed"`
	Step     string        `json:"step"`
	Errno    syscall.Errno `json:"errno"`
}

// readReport reads all lines of a helper that has ended or become the program. failure is the line that says why it did
// not become the program, or zero.
func readReport(pipe *os.File) (report Report, failure reportLine, err error) {
	report = reportOf(nil)
	if err := pipe.SetReadDeadline(time.Now().Add(reportWait)); err != nil {
		return report, failure, err
	}
	decoder := json.NewDecoder(io.LimitReader(pipe, reportBytes))
	told := false
	for {
		var line reportLine
		switch err := decoder.Decode(&line); {
		case errors.Is(err, io.EOF) && told:
			return report, failure, nil
		case errors.Is(err, io.EOF):
			return report, failure, errNoReport
		case err != nil:
			return report, failure, err
		}
		told = true
		if line.Failed != "" {
			failure = line
		} else {
			report = reportOf(line.Enforced)
		}
	}
}
