// SPDX-License-Identifier: Apache-2.0

// Command tether runs a program that must not outlive the process that asked for it, however that one ends:
//
//	tether PARENT PROGRAM [ARG…]
//
// PARENT is the process id of its parent. Tests and the quickstart start etcd, the API server and the manager through it,
// so that an interrupted or killed run leaves none of them behind.
package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "tether:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return errors.New("usage: tether PARENT PROGRAM [ARG…]")
	}
	parent, err := strconv.Atoi(args[0])
	if err != nil {
		return fmt.Errorf("parent %q is not a process id", args[0])
	}
	return become(parent, args[1:])
}
