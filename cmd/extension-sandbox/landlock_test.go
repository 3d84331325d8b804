// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"syscall"
	"testing"

	. "github.com/onsi/gomega"
)

// What each version of the interface handles, in numbers of the kernel's header.
func TestEveryRightOfAVersionIsHandled(t *testing.T) {
	for abi, want := range map[int][3]uint64{
		1: {1<<13 - 1, 0, 0}, 2: {1<<14 - 1, 0, 0}, 3: {1<<15 - 1, 0, 0}, 4: {1<<15 - 1, 3, 0}, 5: {1<<16 - 1, 3, 0},
		6: {1<<16 - 1, 3, 3}, 7: {1<<16 - 1, 3, 3}, 8: {1<<16 - 1, 3, 3}, 9: {1<<17 - 1, 3, 3}, 10: {1<<17 - 1, 15, 3}, 99: {1<<17 - 1, 15, 3},
	} {
		attr := handled(abi)
		NewWithT(t).Expect([3]uint64{attr.Handled_access_fs, attr.Handled_access_net, attr.Scoped}).To(Equal(want), "version %d", abi)
	}
}

func TestLayersOfAVersion(t *testing.T) {
	g := NewWithT(t)
	g.Expect(layersOf(3, 4)).To(Equal([]string{"descriptors", "no_new_privs", "landlock", "seccomp", "rlimits"}))
	g.Expect(layersOf(4, 4)).To(Equal([]string{"descriptors", "no_new_privs", "landlock", "landlock_network", "seccomp", "rlimits"}))
	g.Expect(layersOf(6, 3)).To(Equal([]string{"descriptors", "no_new_privs", "landlock", "landlock_network", "landlock_scope", "seccomp"}))
}

func TestWhatAKernelLacks(t *testing.T) {
	for _, one := range []struct {
		abi        int
		errno      syscall.Errno
		bestEffort bool
		layer      string
		because    syscall.Errno
	}{
		{7, 0, false, "", 0},
		{6, 0, false, "", 0},
		{5, 0, false, layerScope, syscall.EOPNOTSUPP},
		{3, 0, false, layerNetwork, syscall.EOPNOTSUPP},
		{1, 0, true, "", 0},
		{0, syscall.ENOSYS, true, layerLandlock, syscall.ENOSYS},
		{0, syscall.EOPNOTSUPP, false, layerLandlock, syscall.EOPNOTSUPP},
	} {
		layer, because := lacking(one.abi, one.errno, one.bestEffort)
		NewWithT(t).Expect([]any{layer, because}).To(Equal([]any{one.layer, one.because}), "%+v", one)
	}
}

// A kernel that lacks a layer fails this test, and the message says which.
func TestThisKernelHasEveryLayer(t *testing.T) {
	g := NewWithT(t)
	abi, errno := landlockABI()
	g.Expect(errno).To(BeZero(), "this kernel has no Landlock: %v", errno)
	g.Expect(abi).To(BeNumerically(">=", abiNetwork), "this kernel's Landlock has no network rules")
	g.Expect(abi).To(BeNumerically(">=", abiScope), "this kernel's Landlock has no signal rules")
	g.Expect(helper(t, "--check").code).To(BeZero())
}
