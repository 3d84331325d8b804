// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"provisioning.dev/extension-operator/internal/extension"
)

// ErrChanging is the cause of a Fault about a folder that changed while it was
// read: what it held is not known, and the next look may tell.
var ErrChanging = errors.New("changed while it was read")

// changing says that a folder moved under our eyes. The path is for people, and
// cause may be nil.
func changing(shown string, cause error) *extension.Fault {
	return extension.NewTransientFault(extension.CatalogUnavailable, errors.Join(ErrChanging, cause),
		"%s is being written; it is read again when it has come to rest", shown)
}

// unreadable says that the catalog's own disk or rights failed.
func unreadable(shown string, cause error) *extension.Fault {
	return extension.NewTransientFault(extension.CatalogUnavailable, cause,
		"%s cannot be read (%s); let the operator's user read it", shown, reasonOf(cause))
}

// sourceFault sorts an error of opening or reading a plain entry of a source.
func sourceFault(shown string, err error) *extension.Fault {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP) {
		return changing(shown, err)
	}
	return unreadable(shown, err)
}

// linkFault sorts an error of following a link. An error that is no errno is
// os.Root refusing to leave the root.
func linkFault(shown string, err error) *extension.Fault {
	var errno syscall.Errno
	switch {
	case !errors.As(err, &errno):
		return extension.NewFault(extension.InvalidMetadata,
			"link %s leads out of the library; put the file itself there, or a relative link to one inside the library", shown)
	case errno == syscall.ENOENT || errno == syscall.ENOTDIR || errno == syscall.ELOOP:
		return extension.NewFault(extension.InvalidMetadata,
			"link %s leads nowhere; remove it or put the file itself there", shown)
	default:
		return unreadable(shown, err)
	}
}

func special(shown string, mode fs.FileMode) *extension.Fault {
	kind := "special file"
	switch {
	case mode&fs.ModeNamedPipe != 0:
		kind = "FIFO"
	case mode&fs.ModeSocket != 0:
		kind = "socket"
	case mode&fs.ModeDevice != 0:
		kind = "device"
	}
	return extension.NewFault(extension.InvalidMetadata, "%s is a %s; an extension has plain files only: remove it", shown, kind)
}

// exceeds names a limit by what it counts.
func exceeds(shown string, limit int64, what string) *extension.Fault {
	return extension.NewFault(extension.LimitExceeded,
		"%s is over the limit of %d %s; remove what an extension does not need", shown, limit, what)
}

// storeFault says that the store's own disk failed. It is never the
// extension's fault, and may end by itself.
func storeFault(dir string, err error) error {
	var f *extension.Fault
	if err == nil || errors.As(err, &f) {
		return err
	}
	advice := "make it writable for the operator"
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		advice = "free space on its disk, or give cache_dir a larger one"
	}
	return extension.NewTransientFault(extension.LoadFailed, err,
		"the store in cache_dir %s cannot be written (%s); %s", dir, reasonOf(err), advice)
}

// lost says that a copy the store had is gone. Whoever asked asks its catalog
// again, which copies it anew.
func lost(d extension.Digest, cause error) *extension.Fault {
	return extension.NewTransientFault(extension.LoadFailed, cause,
		"the store has lost its copy of %s; it is copied again from the catalog", d)
}

// reasonOf is the errno's words where there is one: the path is said already.
func reasonOf(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return fmt.Sprint(err)
}
