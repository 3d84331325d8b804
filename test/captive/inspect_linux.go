// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// openDescriptors prints the numbers below 300 that were open at the start; the Go runtime's own are in between, and are
// closed on exec.
func openDescriptors() error {
	for fd := range 300 {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 {
			continue
		}
		if _, err := fmt.Println(fd); err != nil {
			return err
		}
	}
	return nil
}

// limits prints what holds this process, as far as it can be asked.
func limits() error {
	for _, one := range []struct {
		name     string
		resource int
	}{
		{"cpu", unix.RLIMIT_CPU}, {"file-size", unix.RLIMIT_FSIZE}, {"open-files", unix.RLIMIT_NOFILE},
		{"address-space", unix.RLIMIT_AS}, {"core", unix.RLIMIT_CORE},
	} {
		var limit unix.Rlimit
		if err := unix.Prlimit(0, one.resource, nil, &limit); err != nil {
			return err
		}
		fmt.Printf("%s %d %d\n", one.name, limit.Cur, limit.Max)
	}
	none, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	if err != nil {
		return err
	}
	fmt.Printf("no_new_privs %d\n", none)
	mode, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0)
	if err != nil {
		return err
	}
	fmt.Printf("seccomp %d\n", mode)
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var capabilities [2]unix.CapUserData
	if err := unix.Capget(&header, &capabilities[0]); err != nil {
		return err
	}
	fmt.Printf("capabilities %x %x\n", capabilities[0].Permitted, capabilities[1].Permitted)
	return nil
}

// niceness prints the priority of this process.
func niceness() error {
	priority, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err == nil {
		_, err = fmt.Println(20 - priority)
	}
	return err
}
