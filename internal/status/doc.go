// SPDX-License-Identifier: Apache-2.0

// Package status says what was found as conditions and status fields. It is pure:
// the same object and outcome give the same status, and nothing is read or written.
package status
