// SPDX-License-Identifier: Apache-2.0

// Package step is what passes between an Installation and the containers of its Jobs: an [Order], the arguments of
// extension-runner, and a [Report], its termination message. Whoever makes a Job and what runs in it share these, so that
// the one reads what the other writes.
package step
