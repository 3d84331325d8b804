// SPDX-License-Identifier: Apache-2.0

package nushell

import (
	"errors"
	"path/filepath"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/sandbox"
)

// place is a stage and where it is, free of links.
type place struct {
	stage Stage
	dir   string
}

// newPlace makes an empty one. The error is a Fault.
func (r *Runner) newPlace() (place, error) {
	stage, err := r.options.NewStage()
	if err != nil {
		return place{}, err
	}
	dir, err := filepath.EvalSymlinks(stage.Dir())
	if err != nil {
		return place{}, extension.NewTransientFault(extension.LoadFailed, errors.Join(err, stage.Remove()),
			"the folder that a load is made in cannot be read; the operator tries again")
	}
	return place{stage: stage, dir: dir}, nil
}

// command starts nu with an environment of a home (without one a uid that is not in passwd gets an error line) and an
// empty PATH. It may read the stage and nothing else.
func (p place) command(t tools, args ...string) sandbox.Command {
	return sandbox.Command{
		Path: t.nu.path,
		Args: arguments(args...),
		Read: []string{p.dir},
		Dir:  p.dir,
		Env:  []string{"HOME=" + p.dir, "PATH="},
	}
}
