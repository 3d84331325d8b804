// SPDX-License-Identifier: Apache-2.0

// Command gotest runs go test with the arguments it is given and sums up: one line a package, the output of what failed,
// and at the end what was skipped, what failed and how many passed.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	// Our tests wait about half of their time, for API servers and processes: one package more than there are cores fills them.
	packages := fmt.Sprintf("-p=%d", runtime.NumCPU()+1)
	cmd := exec.Command("go", append([]string{"test", "-json", packages}, args...)...)
	cmd.Stderr = os.Stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	report := newReport(os.Stdout)
	err = report.read(events)
	err = errors.Join(err, cmd.Wait())
	report.sum()
	if err == nil && report.passed == 0 {
		return errors.New("no test ran")
	}
	return err
}

// read takes the events of go test -json to their end.
func (r *report) read(events io.Reader) error {
	for decoder := json.NewDecoder(events); ; {
		var event event
		switch err := decoder.Decode(&event); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read the output of go test: %w", err)
		}
		r.add(event)
	}
}
