// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"provisioning.dev/extension-operator/test/env"
)

const (
	// stopTimeout is how long the manager may take to stop: longer than its own grace period.
	stopTimeout = 45 * time.Second
	// tailLines is how much of the log is shown with a failure.
	tailLines = 30
)

// manager is the running manager.
type manager struct {
	cmd *exec.Cmd
	log string
	// ended receives how the manager ended, once.
	ended chan error
}

func startManager(log, program string, args ...string) (*manager, error) {
	file, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	cmd, err := env.Command(program, args...)
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = file, file
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the manager: %w", err)
	}
	m := &manager{cmd: cmd, log: log, ended: make(chan error, 1)}
	go func() {
		err := cmd.Wait()
		if err == nil {
			err = errors.New("without being asked to")
		}
		m.ended <- err
		close(m.ended)
	}()
	return m, nil
}

// stop asks the manager to end and waits for it.
func (m *manager) stop() error {
	if err := m.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-m.ended: //nolint:errcheck // it was asked to end: how it did so is nobody's concern
		return nil
	case <-time.After(stopTimeout):
		return errors.Join(fmt.Errorf("the manager did not stop within %s", stopTimeout), m.cmd.Process.Kill())
	}
}

// tail is the end of the log.
func (m *manager) tail() string {
	content, err := os.ReadFile(m.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}
