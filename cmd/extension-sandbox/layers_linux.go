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
	layerLandlock    = "landlock"
	layerNetwork     = "landlock_network"
	layerScope       = "landlock_scope"
	layerSeccomp     = "seccomp"
	layerRlimits     = "rlimits"
	// stepExec and stepRead are not layers: they name a program that could not be executed, a folder that could not be
	// opened.
	stepExec = "exec"
	stepRead = "read"
)

// closeOnExec leaves the program no descriptor but 0, 1 and 2. The report descriptor is among those that close.
func closeOnExec() syscall.Errno {
	return errnoOf(unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC))
}

// noNewPrivs gives up every capability of this thread, and with the promise to gain none the program has none either,
// even as root.
func noNewPrivs() (step string, errno syscall.Errno) {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return "prctl", errnoOf(err)
	}
	none := [2]unix.CapUserData{}
	version := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	return "capset", errnoOf(unix.Capset(&version, &none[0]))
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

// layersOf are the layers that are in force once all of them are set, in the order of their setting.
func layersOf(abi, limits int) []string {
	layers := []string{layerDescriptors, layerNoNewPrivs, layerLandlock}
	if abi >= abiNetwork {
		layers = append(layers, layerNetwork)
	}
	if abi >= abiScope {
		layers = append(layers, layerScope)
	}
	layers = append(layers, layerSeccomp)
	if limits == len(limitFlags) {
		layers = append(layers, layerRlimits)
	}
	return layers
}
