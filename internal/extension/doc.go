// SPDX-License-Identifier: Apache-2.0

// Package extension holds the words that cross rooms: what is asked for (Ref),
// what it became (Key, Plan), what loading it gave (Loaded) and how anything
// can fail (Fault). It holds values only: no I/O, no Kubernetes types.
package extension
