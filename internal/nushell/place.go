// SPDX-License-Identifier: Apache-2.0

package nushell

import (
	"errors"
	"os"
	"path/filepath"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/sandbox"
)

// place is a stage and where it is, free of links.
type place struct {
	stage Stage
	dir   string
	made  os.FileInfo
}

// there tells whether the folder is still the one that was made. Somebody may have deleted it, and a stage that is filled
// makes it anew: a process that was granted the first sees nothing of the second.
func (p place) there() bool {
	now, err := os.Stat(p.dir)
	return err == nil && os.SameFile(p.made, now)
}

// newPlace makes an empty one. The error is a Fault.
func (r *Runner) newPlace() (place, error) {
	stage, err := r.options.NewStage()
	if err != nil {
		return place{}, err
	}
	p := place{stage: stage}
	if p.dir, err = filepath.EvalSymlinks(stage.Dir()); err == nil {
		p.made, err = os.Stat(p.dir)
	}
	if err != nil {
		return place{}, extension.NewTransientFault(extension.LoadFailed, errors.Join(err, stage.Remove()),
			"the folder that a load is made in cannot be read; the operator tries again")
	}
	return p, nil
}

// leave removes a place.
func (r *Runner) leave(p place) {
	if err := p.stage.Remove(); err != nil {
		r.options.Log.Error(err, "stage folder could not be removed; it is cleared at the next start", "stage", p.dir)
	}
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
