// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/rpc"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// initPart is the name of the cluster's first process: process 1 of its own process, mount, network, cgroup and other
// namespaces. When it ends, however it does, the kernel ends all others of the cluster, and the namespaces go with them.
const initPart = "init"

// startInit makes the namespaces, the cgroups and the cable between them and this machine.
func (c *cluster) startInit(ctx context.Context) (err error) {
	groups, err := machineHierarchies()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(c.log(initPart), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	cmd := exec.Command("/proc/self/exe", commandInit, c.dir, c.network.String()) //nolint:noctx // it outlives this run
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Setsid:     true,
	}
	// It waits for a byte; if this run ends before, so does it.
	begin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	defer func() { _ = begin.Close() }()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("make the cluster's namespaces: %w", err)
	}
	first, err := processOf(cmd.Process.Pid)
	if err != nil {
		return err
	}
	if err := first.record(c.pidFile(initPart)); err != nil {
		return err
	}
	if err := makeCgroups(groups, first.PID); err != nil {
		return err
	}
	if err := c.network.connect(first.PID); err != nil {
		return err
	}
	if _, err := begin.Write([]byte{1}); err != nil {
		return err
	}
	return c.awaitInit(ctx, first.PID, cmd.Wait)
}

// awaitInit waits until the first process takes commands.
func (c *cluster) awaitInit(ctx context.Context, pid int, wait func() error) error {
	ended := make(chan error, 1)
	go func() { ended <- wait() }()
	err := eventually(ctx, readyTimeout, func(context.Context) error {
		select {
		case <-ended: //nolint:errcheck // that it ended is what counts, and looked at below
			return nil
		default:
		}
		client, err := rpc.Dial("unix", c.initSocket())
		if err != nil {
			return err
		}
		return client.Close()
	})
	if _, gone := processOf(pid); gone != nil {
		return c.failed(initPart, errors.New("it ended at once"))
	}
	return err
}

// spawn has the first process start a program, and returns the process as this machine sees it.
func (c *cluster) spawn(command Command) (process, error) {
	first, err := recorded(c.pidFile(initPart))
	if err != nil {
		return process{}, fmt.Errorf("the cluster is not up: %w", err)
	}
	client, err := rpc.Dial("unix", c.initSocket())
	if err != nil {
		return process{}, err
	}
	defer func() { _ = client.Close() }()
	var inner int
	if err := client.Call("Starter.Start", command, &inner); err != nil {
		return process{}, fmt.Errorf("start %s: %w", command.Path, err)
	}
	pids, err := processes()
	if err != nil {
		return process{}, err
	}
	space := processSpace(first.PID)
	for _, pid := range pids {
		status, err := os.ReadFile(procFile(pid, "status"))
		if err == nil && innerPID(string(status)) == inner && processSpace(pid) == space {
			return processOf(pid)
		}
	}
	return process{}, errNoProcess
}

// processSpace names the process namespace that a process is in; it is empty for a process that is gone.
func processSpace(pid int) string {
	space, err := os.Readlink(procFile(pid, "ns/pid"))
	if err != nil {
		return ""
	}
	return space
}

// innerPID is the id that a process has in its own namespace, from /proc/<pid>/status; 0 if there is none.
func innerPID(status string) int {
	for line := range strings.Lines(status) {
		if ids, ok := strings.CutPrefix(line, "NSpid:"); ok {
			fields := slices.Collect(strings.FieldsSeq(ids))
			if len(fields) == 0 {
				return 0
			}
			inner, err := strconv.Atoi(fields[len(fields)-1])
			if err != nil {
				return 0
			}
			return inner
		}
	}
	return 0
}
