// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/rpc"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// beginInit is the first process before it has a cgroup namespace: it waits until it is in the cluster's cgroups, which are
// to be the roots of that namespace. A namespace made by a thread is the thread's alone until it executes a program.
func beginInit(dir, subnet string) error {
	if _, err := io.ReadFull(os.Stdin, make([]byte, 1)); err != nil {
		return errors.New("who started this ended")
	}
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("make a cgroup namespace: %w", err)
	}
	return syscall.Exec("/proc/self/exe", []string{"cluster", commandInside, dir, subnet}, os.Environ())
}

// runInside is the first process: it furnishes the namespaces, starts what it is told to, and reaps whoever ends. It never returns
// but by an error.
func runInside(dir, subnet string) error {
	n, err := newNetwork(subnet)
	if err != nil {
		return err
	}
	if err := furnish(dir); err != nil {
		return err
	}
	if err := n.configure(); err != nil {
		return err
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	server := rpc.NewServer()
	if err := server.Register(&Starter{}); err != nil {
		return err
	}
	c := cluster{dir: dir}
	listener, err := net.Listen("unix", c.initSocket()) //nolint:noctx // it listens as long as this process lives
	if err != nil {
		return err
	}
	go server.Accept(listener)
	for range ended {
		reap()
	}
	return nil
}

// reap takes leave of every child that ended, the orphans of other processes included.
func reap() {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if pid <= 0 && !errors.Is(err, syscall.EINTR) {
			return
		}
	}
}

// Command is a program to start inside the cluster's namespaces.
type Command struct {
	// Path is absolute.
	Path      string
	Args, Env []string
	// Log is the file that takes what it prints.
	Log string
}

// Starter is what the first process does for the others, over its socket.
type Starter struct{}

// Start starts a program and answers with its process id inside.
func (*Starter) Start(command Command, pid *int) (err error) {
	log, err := os.OpenFile(command.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	nothing, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer func() { _ = nothing.Close() }()
	// Not by os/exec: whoever ends is waited for in one place.
	*pid, err = syscall.ForkExec(command.Path, append([]string{filepath.Base(command.Path)}, command.Args...), &syscall.ProcAttr{
		Dir:   "/",
		Env:   command.Env,
		Files: []uintptr{nothing.Fd(), log.Fd(), log.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	return err
}
