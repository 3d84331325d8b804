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
	g := NewWithT(t)
	for _, path := range []string{"extension-sandbox", ""} {
		_, err := sandbox.New(sandbox.Require, path)
		g.Expect(err).To(MatchError(ContainSubstring("not an absolute path")))
	}
	_, err := sandbox.New("on", helper)
	g.Expect(err).To(MatchError(`sandbox: mode "on" is none of require, best-effort, off`))
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
	box := newBox(t, path)
	_, err := box.Run(t.Context(), held("exit=0"), roomy())
	g.Expect(errors.Is(err, fs.ErrNotExist)).To(BeTrue(), "%v", err)
	g.Expect(os.Symlink(helper, path)).To(Succeed())
	_, err = box.Run(t.Context(), held("exit=0"), roomy())
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
		"no landlock":   {`echo '{"failed":"landlock","step":"ask for the version","errno":95}' >&3`, sandbox.LayerLandlock, "Linux 5.13 or newer is needed, with Landlock among its LSMs", syscall.EOPNOTSUPP},
		"no network":    {`echo '{"failed":"landlock_network","step":"ask for the version","errno":95}' >&3`, sandbox.LayerNetwork, "Linux 6.7 or newer is needed; --sandbox=best-effort", syscall.EOPNOTSUPP},
		"no scope":      {`echo '{"failed":"landlock_scope","step":"ask for the version","errno":95}' >&3`, sandbox.LayerScope, "Linux 6.12 or newer is needed; --sandbox=best-effort", syscall.EOPNOTSUPP},
		"no seccomp":    {`echo '{"failed":"seccomp","step":"seccomp","errno":22}' >&3`, sandbox.LayerSeccomp, "a kernel with seccomp filters is needed", syscall.EINVAL},
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
	script := "#!/bin/sh\necho '{\"enforced\":[]}{\"failed\":\"exec\",\"step\":\"execveat\",\"errno\":11}' >&3\n"
	g.Expect(os.WriteFile(path, []byte(script), 0o755)).To(Succeed())
	_, err := runIn(context.Background(), t, path, shell("true"), sandbox.DefaultLimits())
	var system *sandbox.SystemError
	g.Expect(errors.As(err, &system)).To(BeTrue(), "%v", err)
	g.Expect(errors.Is(err, syscall.EAGAIN)).To(BeTrue())
}

// An older kernel is played by a helper that says what one has: the modes decide here, the helper's own part is its test's.
func TestWhatAnOlderKernelLacks(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "helper")
	script := `#!/bin/sh
case "$*" in
*--best-effort*) echo '{"enforced":["descriptors","no_new_privs","landlock","seccomp","rlimits"]}' >&3 ;;
*) echo '{"failed":"landlock_network","step":"ask for the version","errno":95}' >&3; exit 125 ;;
esac
`
	g.Expect(os.WriteFile(path, []byte(script), 0o755)).To(Succeed())
	for mode, want := range map[sandbox.Mode]sandbox.Report{
		sandbox.BestEffort: {Level: sandbox.LevelPartial, Missing: []string{sandbox.LayerNetwork, sandbox.LayerScope}},
		sandbox.Off: {Level: sandbox.LevelNone, Missing: []string{sandbox.LayerDescriptors, sandbox.LayerNoNewPrivs, sandbox.LayerLandlock,
			sandbox.LayerNetwork, sandbox.LayerScope, sandbox.LayerSeccomp, sandbox.LayerRlimits}},
	} {
		box, err := sandbox.New(mode, path)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(box.Probe(t.Context())).To(Equal(want))
	}
	_, err := newBox(t, path).Probe(t.Context())
	var unavailable *sandbox.UnavailableError
	g.Expect(errors.As(err, &unavailable)).To(BeTrue(), "%v", err)
	g.Expect(unavailable.Layer).To(Equal(sandbox.LayerNetwork))
}

func TestProbe(t *testing.T) {
	g := NewWithT(t)
	box := newBox(t, helper)
	g.Expect(box.Probe(t.Context())).To(Equal(sandbox.Report{Level: sandbox.LevelEnforced}))
	bestEffort, err := sandbox.New(sandbox.BestEffort, helper)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(bestEffort.Probe(t.Context())).To(Equal(sandbox.Report{Level: sandbox.LevelEnforced}))

	missing := newBox(t, filepath.Join(t.TempDir(), "helper"))
	_, err = missing.Probe(t.Context())
	g.Expect(errors.Is(err, fs.ErrNotExist)).To(BeTrue(), "%v", err)
	_, again := missing.Probe(t.Context())
	g.Expect(again).To(BeIdenticalTo(err), "it is remembered for a while")

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	other := newBox(t, helper)
	_, err = other.Probe(ended)
	g.Expect(errors.Is(err, context.Canceled)).To(BeTrue(), "%v", err)
	g.Expect(other.Probe(t.Context())).To(Equal(sandbox.Report{Level: sandbox.LevelEnforced}), "whoever gives up answers for nobody")
}
