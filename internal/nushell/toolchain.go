// SPDX-License-Identifier: Apache-2.0

package nushell

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/sandbox"
)

// SupportedVersions are the versions of Nushell that the loading program is tested with.
const SupportedVersions = "0.115.x"

// Supported tells whether a version of Nushell is one of [SupportedVersions]. Another may work.
func Supported(version string) bool {
	return strings.HasPrefix(version, strings.TrimSuffix(SupportedVersions, "x"))
}

const (
	// maxProgram bounds the loading program, in bytes: it travels as an argument, and the kernel takes 128 KiB.
	maxProgram = 64 << 10
	// versionWait bounds `nu --version`, which takes 10 ms.
	versionWait = 5 * time.Second
)

var versionForm = regexp.MustCompile(`^\d+\.\d+\.\d+[0-9A-Za-z.+-]*$`)

// file is a file as it was when it was looked at.
type file struct {
	path  string
	stamp stamp
}

// binary is what nu is known by.
type binary struct {
	digest  extension.Digest
	version string
}

// program is the text of the loading program.
type program struct {
	digest extension.Digest
	text   string
}

// tools are nu and the loading program, as they were at one moment.
type tools struct {
	nu        file
	toolchain extension.Toolchain
	program   string
}

// Toolchain identifies the nu and the loading program that the next Check uses. It costs two calls of stat while neither
// changes, and starts no more than one nu at a time for all who ask. The error is a NushellUnavailable Fault, or one of the
// sandbox; the end of ctx ends only this wait.
func (r *Runner) Toolchain(ctx context.Context) (extension.Toolchain, error) {
	t, err := r.look(ctx)
	return t.toolchain, err
}

// look gives the tools and reads again what changed since it last did.
func (r *Runner) look(ctx context.Context) (tools, error) {
	nu, err := r.findNushell()
	if err != nil {
		return tools{}, err
	}
	load, err := r.findProgram()
	if err != nil {
		return tools{}, err
	}
	known, err := r.binaries.get(ctx, nu)
	if err != nil {
		return tools{}, err
	}
	loading, err := r.programs.get(ctx, load)
	if err != nil {
		return tools{}, err
	}
	return tools{nu: nu, program: loading.text, toolchain: extension.Toolchain{
		NushellVersion: known.version, Nushell: known.digest, Program: loading.digest, Protocol: Protocol,
	}}, nil
}

// findNushell looks for an executable file of the configured name.
func (r *Runner) findNushell() (file, error) {
	name := r.options.Nushell
	folders := []string{""}
	if !strings.ContainsRune(name, os.PathSeparator) {
		folders = filepath.SplitList(os.Getenv("PATH"))
	}
	var problems []error
	for _, folder := range folders {
		path, err := filepath.Abs(filepath.Join(folder, name))
		if err != nil {
			problems = append(problems, err)
			continue
		}
		found, info, err := stampOf(path)
		switch {
		case err != nil:
			problems = append(problems, err)
		case !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0:
			problems = append(problems, fmt.Errorf("%s is not an executable file", path))
		default:
			return file{path, found}, nil
		}
	}
	if len(folders) == 1 && len(problems) == 1 {
		return file{}, nushellUnavailable(problems[0], "%s", problems[0])
	}
	return file{}, nushellUnavailable(errors.Join(problems...), "no executable %s in PATH (%s)", name, strings.Join(folders, ", "))
}

func (r *Runner) findProgram() (file, error) {
	path, err := filepath.Abs(filepath.Join(r.options.Provisioning, programFile))
	if err != nil {
		return file{}, programUnavailable(err)
	}
	found, _, err := stampOf(path)
	if err != nil {
		return file{}, programUnavailable(err)
	}
	return file{path, found}, nil
}

// readNushell hashes nu and asks for its version. Nobody's context ends it: it is shared by all who ask meanwhile.
func (r *Runner) readNushell(path string) (binary, error) {
	sum, err := hashFile(path)
	if err != nil {
		return binary{}, nushellUnavailable(err, "%s", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), versionWait)
	defer cancel()
	result, err := r.options.Sandbox.Run(ctx, sandbox.Command{
		Path: path, Args: []string{"--version"}, Dir: "/", Env: []string{"HOME=/", "PATH="},
	}, r.options.Limits)
	var unavailable *sandbox.UnavailableError
	switch {
	case errors.As(err, &unavailable):
		return binary{}, extension.NewTransientFault(extension.SandboxUnavailable, err, "%s", clip(err.Error(), maxMessage))
	case errors.Is(err, context.DeadlineExceeded):
		return binary{}, nushellUnavailable(err, "%s --version does not answer within %s", path, versionWait)
	case err != nil:
		return binary{}, nushellUnavailable(err, "%s --version does not answer: %s", path, err)
	}
	version := strings.TrimSpace(string(result.Stdout))
	if result.ExitCode != 0 || len(version) > extension.MaxVersionLength || !versionForm.MatchString(version) {
		return binary{}, nushellUnavailable(nil, "%s does not answer --version as Nushell does", path)
	}
	return binary{digest: sum, version: version}, nil
}

func readProgram(path string) (program, error) {
	source, err := os.Open(path)
	if err != nil {
		return program{}, programUnavailable(err)
	}
	defer source.Close()
	text, err := io.ReadAll(io.LimitReader(source, maxProgram+1))
	if err == nil && len(text) > maxProgram {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxProgram)
	}
	if err != nil {
		return program{}, programUnavailable(err)
	}
	sum := sha256.Sum256(text)
	return program{digest: digest(sum[:]), text: string(text)}, nil
}

func hashFile(path string) (extension.Digest, error) {
	source, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer source.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, source); err != nil {
		return "", err
	}
	return digest(hash.Sum(nil)), nil
}

func digest(sum []byte) extension.Digest {
	return extension.Digest("sha256:" + hex.EncodeToString(sum))
}

func nushellUnavailable(cause error, problem string, args ...any) *extension.Fault {
	return extension.NewTransientFault(extension.NushellUnavailable, cause,
		"Nushell cannot be used: %s; install Nushell %s or set --nushell-path", clip(fmt.Sprintf(problem, args...), maxMessage/2), SupportedVersions)
}

func programUnavailable(cause error) *extension.Fault {
	return extension.NewTransientFault(extension.NushellUnavailable, cause,
		"the loading program cannot be read: %s; set --provisioning-path to the folder that holds %s", clip(cause.Error(), maxMessage/2), programFile)
}
