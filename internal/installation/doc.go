// SPDX-License-Identifier: Apache-2.0

// Package installation says what an Installation runs and what became of it: the plan
// and the Job of an attempt, the ConfigMaps of its payload, the steps that a Job and its
// pod show, the status, and what a change of the spec or of the Extension leads to. All
// of that is pure: nothing is read or written, and the same input gives the same result.
// The Reconciler reads and writes, in the order of docs/design/0006-installation.md.
package installation
