// SPDX-License-Identifier: Apache-2.0

package main

// foreignAttacks are for architectures whose programs can make another's calls.
func foreignAttacks() map[string]attack { return nil }
