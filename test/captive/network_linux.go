// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

func networkAttacks() map[string]attack {
	const multipath = 262 // IPPROTO_MPTCP
	return map[string]attack{
		"tcp":        call(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM),
		"tcp6":       call(unix.SYS_SOCKET, unix.AF_INET6, unix.SOCK_STREAM),
		"udp":        call(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_DGRAM),
		"mptcp":      call(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM, multipath),
		"raw":        call(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP),
		"packet":     call(unix.SYS_SOCKET, unix.AF_PACKET, unix.SOCK_RAW),
		"netlink":    call(unix.SYS_SOCKET, unix.AF_NETLINK, unix.SOCK_RAW),
		"vsock":      call(unix.SYS_SOCKET, unix.AF_VSOCK, unix.SOCK_STREAM),
		"alg":        call(unix.SYS_SOCKET, unix.AF_ALG, unix.SOCK_SEQPACKET),
		"unix":       call(unix.SYS_SOCKET, unix.AF_UNIX, unix.SOCK_STREAM),
		"unix-dgram": call(unix.SYS_SOCKET, unix.AF_UNIX, unix.SOCK_DGRAM),
		"socketpair": call(unix.SYS_SOCKETPAIR, unix.AF_UNIX, unix.SOCK_STREAM),
		"bind":       call(unix.SYS_BIND, 0),
		"listen":     call(unix.SYS_LISTEN, 0, 1),
		"accept":     call(unix.SYS_ACCEPT4, 0),
		"connect":    call(unix.SYS_CONNECT, 0),
		"sendmsg":    call(unix.SYS_SENDMSG, 1),
		"dial":       func(args []string) error { _, err := net.Dial("tcp", args[0]); return err },
		"dial-path":  func(args []string) error { _, err := net.Dial("unix", args[0]); return err },
		"look-up":    lookUp,
	}
}

// lookUp tells a failure that comes at once from one that hangs first.
func lookUp(args []string) error {
	began := time.Now()
	_, err := net.LookupHost(args[0])
	if err != nil && time.Since(began) < time.Second {
		return errors.New("failed at once")
	}
	return err
}
