// SPDX-License-Identifier: Apache-2.0

// Package payload carries the exact bytes of a plan into the pods that run its hooks, so that they need neither library,
// manager nor network.
//
// A payload is one gzip stream over one tar, whose entries <type>/<name>/<version>.tar are the canonical tars of the plan's
// members in load order, the root last. It is cut into parts that fit into ConfigMaps. [Pack] of one plan gives the same
// bytes each time, as long as the operator is the same; what a payload is known by are the members' digests, which [Unpack]
// is told and holds every byte against.
package payload
