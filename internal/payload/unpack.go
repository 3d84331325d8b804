// SPDX-License-Identifier: Apache-2.0

package payload

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"provisioning.dev/extension-operator/internal/extension"
)

// RefusedError says that a payload is not the one that was asked for, or is none.
type RefusedError struct{ Problem string }

func (e *RefusedError) Error() string {
	return "the payload is refused: " + e.Problem + "; a new attempt makes it anew"
}

func refused(problem string, args ...any) error { return &RefusedError{fmt.Sprintf(problem, args...)} }

// Unpack reads the parts in a folder and writes the members to <stage>/<type>/<name>/, read-only, as a load sees them. The
// stage must be an empty folder. Every member's bytes are held against its digest before any of them is written. The error
// is a RefusedError where the payload has something else, or not all, of what was asked for; any other is one of reading or
// writing, and may pass.
func Unpack(source fs.FS, members []extension.Member, stage string) error {
	packed, err := readParts(source)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(stage)
	if err != nil {
		return err
	}
	defer root.Close()
	rest := bytes.NewReader(packed)
	inflated, err := gzip.NewReader(rest)
	if err != nil {
		return refused("it is not of gzip (%s)", err)
	}
	inflated.Multistream(false)
	if err := unpackMembers(inflated, members, root); err != nil {
		return err
	}
	// To the end: what follows the tar is in the checksum as well.
	if padding, err := io.Copy(io.Discard, io.LimitReader(inflated, PartSize)); err != nil || padding != 0 {
		return refused("it is damaged, or goes on behind its end")
	}
	if rest.Len() != 0 {
		return refused("%d bytes follow its end", rest.Len())
	}
	return nil
}

// readParts joins the parts. What else may lie in the folder is what Kubernetes puts into a projected volume.
func readParts(source fs.FS) ([]byte, error) {
	entries, err := fs.ReadDir(source, ".")
	if err != nil {
		return nil, err
	}
	count := 0
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), "..") {
			count++
		}
	}
	if count == 0 || count > MaxParts {
		return nil, refused("it has %d parts, which must be 1 to %d", count, MaxParts)
	}
	var packed bytes.Buffer
	for i := range count {
		part, err := source.Open(PartName(i))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, refused("%s is missing, or something else lies beside the parts", PartName(i))
		}
		if err != nil {
			return nil, err
		}
		n, err := io.Copy(&packed, io.LimitReader(part, PartSize+1))
		if err := errors.Join(err, part.Close()); err != nil {
			return nil, err
		}
		if n > PartSize {
			return nil, refused("%s is larger than %d bytes", PartName(i), PartSize)
		}
	}
	return packed.Bytes(), nil
}

func unpackMembers(inflated io.Reader, members []extension.Member, root *os.Root) error {
	outer := tar.NewReader(inflated)
	left := int64(MaxUnpacked)
	for _, m := range members {
		header, err := outer.Next()
		switch {
		case errors.Is(err, io.EOF):
			return refused("it lacks %s", m.Key)
		case err != nil:
			return refused("it is damaged (%s)", err)
		case header.Name != entryName(m.Key) || header.Typeflag != tar.TypeReg:
			return refused("it has %.200q where %s was asked for", header.Name, m.Key)
		case header.Size > left:
			return refused("it is larger than %d MiB unpacked", MaxUnpacked>>20)
		}
		left -= header.Size
		content, err := io.ReadAll(outer)
		if err != nil {
			return refused("%s in it is damaged (%s)", m.Key, err)
		}
		if found := extension.DigestOf(content); found != m.Digest {
			return refused("%s in it is %s, asked for was %s", m.Key, found, m.Digest)
		}
		if err := unpackMember(content, root, path.Join(string(m.Key.Type), m.Key.Name)); err != nil {
			return err
		}
	}
	switch header, err := outer.Next(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return refused("it is damaged (%s)", err)
	default:
		return refused("it has %.200q, which was not asked for", header.Name)
	}
}

// unpackMember writes the files of one canonical tar below a folder that is not there yet.
func unpackMember(content []byte, root *os.Root, folder string) error {
	if err := root.MkdirAll(folder, folderMode); err != nil {
		return err
	}
	own := tar.NewReader(bytes.NewReader(content))
	size := int64(len(content))
	for last := ""; ; {
		header, err := own.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return refused("%s in it has a tar that is damaged (%s)", folder, err)
		}
		// Sorted, as a canonical tar is: so no name comes twice.
		if header.Typeflag != tar.TypeReg || !fs.ValidPath(header.Name) || strings.ContainsAny(header.Name, "\\\x00") || header.Name <= last || header.Size > size {
			return refused("%s in it has the entry %.200q, which no canonical tar has", folder, header.Name)
		}
		last = header.Name
		if err := writeFile(root, path.Join(folder, header.Name), header, own); err != nil { //nolint:gosec // a valid path, and the root holds it
			return err
		}
	}
}

// folderMode and the modes of files are those of the store: all may read, nobody writes.
const folderMode = 0o755

func writeFile(root *os.Root, name string, header *tar.Header, content io.Reader) (err error) {
	mode := fs.FileMode(0o444)
	if header.Mode&0o111 != 0 {
		mode = 0o555
	}
	if err := root.MkdirAll(path.Dir(name), folderMode); err != nil {
		return err
	}
	out, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, content)
	return err
}
