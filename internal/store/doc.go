// SPDX-License-Identifier: Apache-2.0

// Package store keeps copies of extension versions, each in a folder named by
// the digest of its content, and never changes them. A catalog's folder is
// copied once; from then on what is hashed is what is parsed and what is run.
//
//	<dir>/sha256/<hex>/…            one version's files, read-only
//	<dir>/stage/<random>/<type>/<name>/…   what one load sees, hard-linked
//	<dir>/tmp/…                     copies under way
//	<dir>/lock                      held by the process that uses the store
//
// The digest is the sha256 of the folder's canonical tar (see CanonicalTar).
// Losing the store, or a part of it, costs time and never correctness: a copy
// is verified before its first use in a process, and a bad one is dropped and
// made again. One process uses a store at a time, and Open sees to it.
package store
