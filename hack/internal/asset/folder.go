// SPDX-License-Identifier: Apache-2.0

package asset

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"provisioning.dev/extension-operator/hack/tree"
)

// folder returns <cache>/<name>, which fill has made. fill writes into an empty folder that is renamed when it returns nil:
// a folder that exists is complete, whatever was interrupted before.
func (p *Provider) folder(name string, fill func(dir string) error) (string, error) {
	final := filepath.Join(p.Cache, name)
	if tree.Exists(final) {
		return final, nil
	}
	if err := os.MkdirAll(p.Cache, 0o755); err != nil {
		return "", fmt.Errorf("make the cache folder (set %s to a folder that can be written): %w", tree.CacheVariable, err)
	}
	unlock, err := p.lock(name)
	if err != nil {
		return "", err
	}
	defer unlock()
	if tree.Exists(final) {
		return final, nil
	}
	temp := final + ".tmp"
	if err := os.RemoveAll(temp); err != nil {
		return "", err
	}
	if err := os.Mkdir(temp, 0o755); err != nil {
		return "", err
	}
	if err := fill(temp); err != nil {
		return "", errors.Join(err, os.RemoveAll(temp))
	}
	return final, os.Rename(temp, final)
}

func (p *Provider) lock(name string) (func(), error) {
	path := filepath.Join(p.Cache, name+".lock")
	unlock, err := tree.TryLock(path)
	if errors.Is(err, tree.ErrLocked) {
		p.logf("another run is making %s; waiting for it", name)
		return tree.Lock(path)
	}
	return unlock, err
}
