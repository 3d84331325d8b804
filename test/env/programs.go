// SPDX-License-Identifier: Apache-2.0

package env

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"provisioning.dev/extension-operator/hack/tree"
)

// Nushell returns the path of the real nu that tests run: NUSHELL_PATH. Without it there is an error, never a skip.
func Nushell() (string, error) {
	path := os.Getenv("NUSHELL_PATH")
	if path == "" {
		return "", errors.New("NUSHELL_PATH is not set: run make test, or eval \"$(make -s assets)\" first")
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("NUSHELL_PATH: %w: unset it and run make test", err)
	}
	if info.IsDir() || info.Mode()&0o111 == 0 {
		return "", fmt.Errorf("NUSHELL_PATH: %s is not an executable file: unset it and run make test", path)
	}
	return path, nil
}

// SandboxHelper builds cmd/extension-sandbox of this source tree, static as it is shipped, and returns its path.
func SandboxHelper() (string, error) {
	return Build("./cmd/extension-sandbox")
}

// Build builds the program of a package of this source tree (such as "./cmd/manager"), static, and returns its path. It is
// kept in the cache folder, so that only a change of the source costs a build. Several processes may ask at once.
func Build(pkg string) (string, error) {
	root, err := tree.Root()
	if err == nil {
		err = remember(root)
	}
	if err != nil {
		return "", err
	}
	cache, err := tree.Cache()
	if err != nil {
		return "", err
	}
	// Two source trees on one machine must not overwrite each other's programs.
	dir := filepath.Join(cache, "bin", fmt.Sprintf("%x", sha256.Sum256([]byte(root)))[:12])
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(dir, filepath.Base(pkg))
	unlock, err := tree.Lock(path + ".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	cmd := exec.Command("go", "build", "-o", path, pkg)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", pkg, err, out)
	}
	return path, nil
}

// Command is exec.Command for a program that ends when this process ends, however that happens. It starts in a process
// group of its own, so that a terminal's Ctrl-C reaches this process alone, which then stops it in order.
func Command(program string, args ...string) (*exec.Cmd, error) {
	tether, err := Build("./test/env/tether")
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(tether, append([]string{strconv.Itoa(os.Getpid()), program}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd, nil
}

// wrap writes a script that runs the program tethered to this process, for a library that takes only a program's path.
func wrap(dir, program string) (string, error) {
	tether, err := Build("./test/env/tether")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, filepath.Base(program))
	script := fmt.Sprintf("#!/bin/sh\nexec %q %d %q \"$@\"\n", tether, os.Getpid(), program)
	return path, os.WriteFile(path, []byte(script), 0o700)
}
