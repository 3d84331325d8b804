// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package runc pins the program that starts containers in the cluster of hack/cluster. Nothing imports it: the import below
// only keeps its module in go.mod and go.sum.
package runc

import _ "github.com/opencontainers/runc"
