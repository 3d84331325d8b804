// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"provisioning.dev/extension-operator/internal/config"
)

func TestAFileThatMayNotBeRead(t *testing.T) {
	g := NewWithT(t)
	path := written(t, "")
	g.Expect(os.Chmod(path, 0)).To(Succeed())
	g.Expect(os.Chmod(filepath.Dir(path), 0o755)).To(Succeed())
	g.Expect(os.Chmod(filepath.Dir(filepath.Dir(path)), 0o755)).To(Succeed())
	if os.Geteuid() == 0 { // root may read anything, so this thread is somebody else for a moment
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		g.Expect(unix.Setfsuid(65534)).To(Succeed())
		defer func() { g.Expect(unix.Setfsuid(0)).To(Succeed()) }()
	}
	_, err := config.Load(config.Sources{File: path})
	g.Expect(err).To(MatchError(path + ": cannot be read: open " + path + ": permission denied; make it readable to the manager's user"))
}
