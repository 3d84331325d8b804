// SPDX-License-Identifier: Apache-2.0

//go:build linux

package sandbox_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/sandbox"
)

func TestANewSandboxNeedsAnAbsoluteHelper(t *testing.T) {
	_, err := sandbox.New("extension-sandbox")
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("not an absolute path")))
}

func TestAHelperThatCannotBeStarted(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	NewWithT(t).Expect(os.WriteFile(plain, []byte("text"), 0o644)).To(Succeed())
	for path, cause := range map[string]error{
		filepath.Join(dir, "missing"): fs.ErrNotExist,
		plain:                         fs.ErrPermission,
		dir:                           fs.ErrPermission,
	} {
		t.Run(filepath.Base(path), func(t *testing.T) {
			g := NewWithT(t)
			_, err := runIn(context.Background(), t, path, shell("echo must not run"), sandbox.DefaultLimits())
			var unavailable *sandbox.UnavailableError
			g.Expect(errors.As(err, &unavailable)).To(BeTrue(), "%v", err)
			g.Expect(unavailable.Layer).To(Equal(sandbox.LayerHelper))
			g.Expect(errors.Is(err, cause)).To(BeTrue(), "%v", err)
			g.Expect(err.Error()).To(And(ContainSubstring(path), ContainSubstring("install the extension-sandbox")))
		})
	}
}

func TestAHelperThatAppearsLaterIsFound(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "later")
	box, err := sandbox.New(path)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = box.Run(t.Context(), shell("true"), sandbox.DefaultLimits())
	g.Expect(errors.Is(err, fs.ErrNotExist)).To(BeTrue(), "%v", err)
	g.Expect(os.Symlink(helper, path)).To(Succeed())
	_, err = box.Run(t.Context(), shell("true"), sandbox.DefaultLimits())
	g.Expect(err).NotTo(HaveOccurred())
}

func TestAHelperThatDoesNotDoItsWork(t *testing.T) {
	for name, one := range map[string]struct {
		script, layer, message string
		errno                  syscall.Errno
	}{
		"silent":        {"exit 0", sandbox.LayerHelper, "it ended without a report (exit code 0)", 0},
		"runs at once":  {"exec 3>&-; echo forged", sandbox.LayerHelper, "without a report", 0},
		"crashes":       {"echo 'fatal: no' >&2; kill -SEGV $$", sandbox.LayerHelper, `(signal: segmentation fault): "fatal: no"`, 0},
		"garbage":       {"echo garbage >&3", sandbox.LayerHelper, "invalid character", 0},
		"half a line":   {`printf '{"enforced":' >&3`, sandbox.LayerHelper, "unexpected EOF", 0},
		"layer fails":   {`echo '{"failed":"rlimits","step":"cpu","errno":1}' >&3`, sandbox.LayerRlimits, "cpu: operation not permitted", syscall.EPERM},
		"old kernel":    {`echo '{"failed":"descriptors","step":"close_range","errno":38}' >&3`, sandbox.LayerDescriptors, "Linux 5.11 or newer", syscall.ENOSYS},
		"unknown layer": {`echo '{"failed":"new","step":"x","errno":1}' >&3`, "new", "sandbox unavailable: new: x:", syscall.EPERM},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			path := filepath.Join(t.TempDir(), "helper")
			g.Expect(os.WriteFile(path, []byte("#!/bin/sh\n"+one.script+"\n"), 0o755)).To(Succeed())
			_, err := runIn(context.Background(), t, path, shell("true"), sandbox.DefaultLimits())
			var unavailable *sandbox.UnavailableError
			g.Expect(errors.As(err, &unavailable)).To(BeTrue(), "%v", err)
			g.Expect(unavailable.Layer).To(Equal(one.layer))
			g.Expect(err).To(MatchError(ContainSubstring(one.message)))
			if one.errno != 0 {
				g.Expect(errors.Is(err, one.errno)).To(BeTrue(), "%v", err)
			}
		})
	}
}

func TestTheMachineRefusesTheExecForNow(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "helper")
	script := "#!/bin/sh\necho '{\"enforced\":[]}{\"failed\":\"exec\",\"step\":\"execve\",\"errno\":11}' >&3\n"
	g.Expect(os.WriteFile(path, []byte(script), 0o755)).To(Succeed())
	_, err := runIn(context.Background(), t, path, shell("true"), sandbox.DefaultLimits())
	var system *sandbox.SystemError
	g.Expect(errors.As(err, &system)).To(BeTrue(), "%v", err)
	g.Expect(errors.Is(err, syscall.EAGAIN)).To(BeTrue())
}
