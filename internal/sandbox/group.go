// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// cause is why a group was ended by us; the first one counts.
type cause int

const (
	causeNone cause = iota
	causeContext
	causeOutput
)

// group is one process group, led by the process that Run started. Its methods may be called from any goroutine.
type group struct {
	mu     sync.Mutex
	why    cause
	leader func() int // process id of the leader, once it is started
	closed bool       // the leader is dead: the number may be others' soon
}

// end kills the group for a cause, unless its leader is dead already.
func (g *group) end(why cause) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return os.ErrProcessDone
	}
	if g.why == causeNone {
		g.why = why
	}
	_ = syscall.Kill(-g.leader(), syscall.SIGKILL) // it fails only where all are dead
	return nil
}

// close kills what the leader left behind. It must be called when the leader is dead and not reaped.
func (g *group) close() cause {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	_ = syscall.Kill(-g.leader(), syscall.SIGKILL)
	return g.why
}

const (
	firstPause  = 50 * time.Microsecond
	longestWait = 2 * time.Second
)

// vanish waits until no member lives, after close and after the leader was reaped. Members that became our children are
// reaped here; others are their new parent's, dead as they are. It gives up on a process that the kernel cannot end (a
// hung disk).
func (g *group) vanish() {
	deadline := time.NewTimer(longestWait)
	defer deadline.Stop()
	for pause := firstPause; ; pause = min(2*pause, 10*time.Millisecond) {
		if err := syscall.Kill(-g.leader(), 0); errors.Is(err, syscall.ESRCH) {
			return
		}
		dead := allDead(g.leader()) // asked before, so that whoever is ours of the dead is reaped by what follows
		g.reap()
		if dead {
			return
		}
		select {
		case <-deadline.C:
			return
		case <-time.After(pause):
		}
	}
}

// reap reaps those of the group that are our children and dead.
func (g *group) reap() {
	for {
		pid, err := syscall.Wait4(-g.leader(), nil, syscall.WNOHANG, nil)
		if pid <= 0 && !errors.Is(err, syscall.EINTR) {
			return
		}
	}
}

// awaitExit returns when the child is dead, and leaves it to be reaped, so that its number stays taken.
func awaitExit(pid int) {
	const byPID = 1          // P_PID
	var info [128 / 8]uint64 // a siginfo_t is 128 bytes at most
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, byPID, uintptr(pid), uintptr(unsafe.Pointer(&info)),
			syscall.WEXITED|syscall.WNOWAIT, 0, 0)
		if errno != syscall.EINTR {
			return // 0, or ECHILD: there is no such child any more
		}
	}
}
