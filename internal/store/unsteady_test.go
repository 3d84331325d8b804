// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/store"
)

// asNobody runs a function with the file rights of nobody, where the test has
// those of root.
func asNobody(t *testing.T, run func()) {
	t.Helper()
	if os.Geteuid() == 0 {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		must(t, readAs(65534))
		defer func() { must(t, readAs(0)) }()
	}
	run()
}

// TestPutNeverTears writes two files over and over, the first always before the
// second. Whatever Put returns must have lain on the disk at one moment.
func TestPutNeverTears(t *testing.T) {
	g := expect(t)
	dir, root := library(t)
	folder := filepath.Join(dir, "taskservs/etcd")
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for n := 0; ; n++ {
			for _, name := range []string{"a", "b"} {
				select {
				case <-stop:
					return
				default:
				}
				_ = os.WriteFile(filepath.Join(folder, name), []byte(strings.Repeat(strconv.Itoa(n)+"\n", 20_000)), 0o644)
			}
			if n%20 == 0 {
				time.Sleep(3 * time.Millisecond)
			}
		}
	}()
	defer func() { close(stop); <-stopped }()
	s, _ := open(t)
	whole, refused := 0, 0
	for deadline := time.Now().Add(3 * time.Second); time.Now().Before(deadline); {
		d, err := s.Put(t.Context(), root, "taskservs/etcd", store.Limits{})
		if err != nil {
			g.Expect(err).To(MatchError(store.ErrChanging))
			g.Expect(fault(t, err).Class()).To(Equal(extension.Retryable))
			refused++
			continue
		}
		whole++
		a, b := generation(t, s, d, "a"), generation(t, s, d, "b")
		if a >= 0 && b >= 0 {
			g.Expect(a - b).To(BeElementOf(0, 1))
		}
	}
	t.Logf("%d copies, %d refusals", whole, refused)
	g.Expect(refused).To(BeNumerically(">", 0))
}

// generation is the number that a file was written with, -1 where it was being
// written: an empty or cut file did lie on the disk.
func generation(t *testing.T, s *store.Store, d extension.Digest, name string) int {
	data, err := s.ReadFile(d, name)
	if errors.Is(err, os.ErrNotExist) {
		return -1
	}
	must(t, err)
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	for _, line := range lines {
		if line != lines[0] && !strings.HasPrefix(lines[0], line) {
			t.Fatalf("%s mixes %q and %q", name, lines[0], line)
		}
	}
	if len(lines) < 20_000 {
		return -1
	}
	n, err := strconv.Atoi(lines[0])
	must(t, err)
	return n
}
