// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"syscall"

	"golang.org/x/sys/unix"
)

// The layers by the names the report uses; internal/sandbox knows the same ones.
const (
	layerDescriptors = "descriptors"
	layerNoNewPrivs  = "no_new_privs"
	layerRlimits     = "rlimits"
	// stepExec is not a layer: it names a program that could not be executed.
	stepExec = "exec"
)

// closeOnExec leaves the program no descriptor but 0, 1 and 2. The report descriptor is among those that close.
func closeOnExec() syscall.Errno {
	return errnoOf(unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC))
}

func noNewPrivs() syscall.Errno {
	return errnoOf(unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
}

// rlimits lists what to set: core dumps off, then what was asked for. A hard limit below the wish is kept: it is tighter,
// and raising it would need a privilege.
func rlimits(asked []limit) ([]limit, syscall.Errno) {
	all := append([]limit{{name: "core", resource: unix.RLIMIT_CORE}}, asked...)
	for i := range all {
		var now unix.Rlimit
		if err := unix.Getrlimit(all[i].resource, &now); err != nil {
			return nil, errnoOf(err)
		}
		all[i].soft = min(all[i].soft, now.Max)
		all[i].hard = min(all[i].hard, now.Max)
	}
	return all, 0
}
