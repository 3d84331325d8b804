// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package main

import (
	"os"
	"runtime"
)

func main() {
	_, _ = os.Stderr.WriteString("extension-sandbox: works on Linux only, this is " + runtime.GOOS +
		"; start the manager with --sandbox=off here\n")
	os.Exit(125)
}
