// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package store_test

import "errors"

func mountSmall(string) error { return errors.ErrUnsupported }

func unmount(string) error { return errors.ErrUnsupported }

func readAs(int) error { return errors.ErrUnsupported }
