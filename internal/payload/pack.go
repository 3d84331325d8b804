// SPDX-License-Identifier: Apache-2.0

package payload

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/store"
)

// errFull is why a bounded buffer took no more.
var errFull = errors.New("the limit is reached")

// Pack makes the parts of a plan, in order. open gives the copy that the store has of a digest. The error is a Fault, one of
// open or the context's: LimitExceeded where the plan is too large, and a transient one where a copy is not what its digest says.
func Pack(ctx context.Context, members []extension.Member, open func(extension.Digest) (fs.FS, error)) ([][]byte, error) {
	packed := &bounded{limit: PartSize * MaxParts}
	compressed, err := gzip.NewWriterLevel(packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if err := packMembers(ctx, tar.NewWriter(compressed), members, open); err != nil {
		return nil, tooLarge(err, members, packed.limit, "packed")
	}
	if err := compressed.Close(); err != nil {
		return nil, tooLarge(err, members, packed.limit, "packed")
	}
	return slices.Collect(slices.Chunk(packed.data, PartSize)), nil
}

func packMembers(ctx context.Context, outer *tar.Writer, members []extension.Member, open func(extension.Digest) (fs.FS, error)) error {
	left := int64(MaxUnpacked)
	for _, m := range members {
		if err := ctx.Err(); err != nil {
			return err
		}
		content, err := open(m.Digest)
		if err != nil {
			return err
		}
		own := &bounded{limit: left}
		if err := store.CanonicalTar(own, content); err != nil {
			return tooLarge(err, members, MaxUnpacked, "unpacked")
		}
		if found := digestOf(own.data); found != m.Digest {
			return extension.NewTransientFault(extension.LoadFailed, fmt.Errorf("its content is %s", found),
				"the store's copy of %s is not what its digest says; it is copied again from the catalog", m.Key)
		}
		left -= int64(len(own.data))
		header := tar.Header{Typeflag: tar.TypeReg, Name: entryName(m.Key), Mode: 0o644, Size: int64(len(own.data)), Format: tar.FormatPAX}
		if err := outer.WriteHeader(&header); err != nil {
			return err
		}
		if _, err := outer.Write(own.data); err != nil {
			return err
		}
	}
	return outer.Close()
}

// entryName is what a member's tar is called in the payload.
func entryName(k extension.Key) string {
	return fmt.Sprintf("%s/%s/%s.tar", k.Type, k.Name, k.Version)
}

func digestOf(data []byte) extension.Digest {
	sum := sha256.Sum256(data)
	return extension.Digest("sha256:" + hex.EncodeToString(sum[:]))
}

// tooLarge is the Fault of a plan that reached a limit; other errors, and such a Fault, stay as they are.
func tooLarge(err error, members []extension.Member, limit int64, how string) error {
	var fault *extension.Fault
	if errors.As(err, &fault) || !errors.Is(err, errFull) {
		return err
	}
	root := members[len(members)-1].Key
	fault = extension.NewFault(extension.LimitExceeded,
		"%s and what it depends on are over the limit of %d KiB %s that a Job is given; remove what its folder does not need, or depend on less",
		root, limit>>10, how)
	fault.Cause = err
	return fault
}

// bounded is a buffer that takes up to limit bytes.
type bounded struct {
	data  []byte
	limit int64
}

func (b *bounded) Write(p []byte) (int, error) {
	if int64(len(b.data)+len(p)) > b.limit {
		return 0, errFull
	}
	b.data = append(b.data, p...)
	return len(p), nil
}
