// SPDX-License-Identifier: Apache-2.0

//go:build !linux

// Command cluster makes a real Kubernetes cluster of one node on a Linux machine, without Docker.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "cluster: this needs Linux; elsewhere use kind or any other cluster, by KUBECONFIG")
	os.Exit(1)
}
