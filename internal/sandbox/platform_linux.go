// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// attributes give the child a process group of its own and tie its life to the thread that starts it.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// allDead says whether every member of a group is dead and only waits for its parent, which is not us, to be reaped.
func allDead(group int) bool {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return false
	}
	for _, entry := range entries {
		if name := entry.Name(); name[0] >= '1' && name[0] <= '9' && livesIn(group, name) {
			return false
		}
	}
	return true
}

// livesIn reads /proc/PID/stat: "pid (name) state parent group …", where the name may hold anything.
func livesIn(group int, pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return false // it ended meanwhile
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 3 || string(fields[2]) != strconv.Itoa(group) {
		return false
	}
	return fields[0][0] != 'Z' && fields[0][0] != 'X'
}
