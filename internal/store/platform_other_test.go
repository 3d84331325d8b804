// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package store_test

import (
	"errors"
	"testing"
)

func mountSmall(string) error { return errors.ErrUnsupported }

func unmount(string) error { return errors.ErrUnsupported }

func readAs(int) error { return errors.ErrUnsupported }

// otherDisk is a place that only Linux is known to have.
func otherDisk(t *testing.T) string {
	t.Helper()
	t.Skip("no second disk is known on this platform")
	return ""
}
