// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a process that cannot be taken for another one that got its id later.
type process struct {
	PID int `json:"pid"`
	// Started is when, in the kernel's ticks since the machine did.
	Started string `json:"started"`
	// Program is the base name of what it runs.
	Program string `json:"program"`
}

var errNoProcess = errors.New("no such process")

// processOf returns the process that has the id now. One that ended and was not waited for yet is none.
func processOf(pid int) (process, error) {
	stat, err := os.ReadFile(procFile(pid, "stat"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return process{}, errNoProcess
	}
	if err != nil {
		return process{}, err
	}
	state, started, err := parseStat(string(stat))
	if err != nil {
		return process{}, err
	}
	program, err := os.Readlink(procFile(pid, "exe"))
	if state == "Z" || state == "X" || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return process{}, errNoProcess
	}
	if err != nil {
		return process{}, err
	}
	return process{PID: pid, Started: started, Program: strings.TrimSuffix(filepath.Base(program), " (deleted)")}, nil
}

// procFile is the path of what the kernel tells of a process.
func procFile(pid int, name string) string { return fmt.Sprintf("/proc/%d/%s", pid, name) }

// parseStat returns the state and the start of a line of /proc/<pid>/stat. The name in it may have spaces and brackets.
func parseStat(stat string) (state, started string, err error) {
	fields := strings.Fields(stat[strings.LastIndex(stat, ")")+1:])
	const startField = 19 // the 22nd of all: the id and the name are cut off
	if !strings.Contains(stat, ")") || len(fields) <= startField {
		return "", "", fmt.Errorf("not a line of /proc/<pid>/stat: %q", stat)
	}
	return fields[0], fields[startField], nil
}

// alive tells whether it still runs.
func (p process) alive() bool {
	now, err := processOf(p.PID)
	return err == nil && now == p
}

// end asks the process to end, and kills it if it does not in time.
func (p process) end(ctx context.Context, patience time.Duration) error {
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := p.gone(ctx, patience); err == nil || ctx.Err() != nil {
		return err
	}
	return p.kill(ctx)
}

// kill ends the process at once.
func (p process) kill(ctx context.Context) error {
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	return p.gone(ctx, removeTimeout)
}

func (p process) signal(signal syscall.Signal) error {
	if !p.alive() {
		return nil
	}
	if err := syscall.Kill(p.PID, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("send %s to process %d (%s): %w", signal, p.PID, p.Program, err)
	}
	return nil
}

func (p process) gone(ctx context.Context, limit time.Duration) error {
	return eventually(ctx, limit, func(context.Context) error {
		if p.alive() {
			return fmt.Errorf("process %d (%s) still runs", p.PID, p.Program)
		}
		return nil
	})
}

// record writes the process to a file, at once or not at all.
func (p process) record(path string) error {
	content, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".tmp", content, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

// recorded returns the process of a file if it still runs; errNoProcess if not, or if there is no file.
func recorded(path string) (process, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return process{}, errNoProcess
	}
	if err != nil {
		return process{}, err
	}
	var p process
	if err := json.Unmarshal(content, &p); err != nil {
		return process{}, fmt.Errorf("read %s: %w", path, err)
	}
	if !p.alive() {
		return process{}, errNoProcess
	}
	return p, nil
}

// processes are the ids of all processes.
func processes() ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
