// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package main

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

// become runs the program as a child, for a kernel without a parent death signal: it passes signals on to it, kills it when
// the parent has gone, and ends as it ended.
func become(parent int, command []string) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	child := exec.Command(command[0], command[1:]...)
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	if err := child.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	go watch(parent, child.Process, signals, done)
	err := child.Wait()
	close(done)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		os.Exit(max(1, exit.ExitCode()))
	}
	return err
}

func watch(parent int, child *os.Process, signals <-chan os.Signal, done <-chan struct{}) {
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case received := <-signals:
			_ = child.Signal(received) // it may have ended by itself
		case <-ticker.C:
			if os.Getppid() != parent {
				_ = child.Kill()
			}
		}
	}
}
