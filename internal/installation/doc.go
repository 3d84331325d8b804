// SPDX-License-Identifier: Apache-2.0

// Package installation says what an Installation runs and what became of it: the plan
// and the Job of an attempt, the ConfigMaps of its payload, the steps that a Job and its
// pod show, the status, and what a change of the spec or of the Extension leads to. All
// of it is pure: nothing is read or written, and the same input gives the same result.
// docs/design/0005-installation.md says in which order a controller writes.
package installation
