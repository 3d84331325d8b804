// SPDX-License-Identifier: Apache-2.0

// Package architecture holds the map of the rooms as a test: who may import
// whom, who may start processes, and what every file has. It has no code.
package architecture
