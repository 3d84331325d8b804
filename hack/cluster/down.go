// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"strings"
)

// down removes the cluster, whatever is left of it. Nothing is asked to end in order: all it wrote goes too.
func (c *cluster) down(ctx context.Context) error {
	own, other, err := c.firstProcesses()
	if err != nil {
		return err
	}
	for _, first := range own {
		if err := first.kill(ctx); err != nil {
			return err
		}
	}
	if other == "" {
		if err := removeCgroups(ctx); err != nil {
			return err
		}
		if err := removeLink(); err != nil {
			return err
		}
	}
	mounts, err := c.leftMounts()
	if err != nil {
		return err
	}
	if len(mounts) > 0 {
		return fmt.Errorf("still mounted: %s", strings.Join(mounts, ", "))
	}
	if err := os.RemoveAll(c.dir); err != nil {
		return err
	}
	return c.checkClean()
}

// checkClean returns an error that lists what there is of a cluster on this machine.
func (c *cluster) checkClean() error {
	left, err := c.leftovers()
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("still there: %s", strings.Join(left, ", "))
	}
	return nil
}
