// SPDX-License-Identifier: Apache-2.0

package payload

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"fmt"
	"io/fs"
	"slices"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/store"
)

// Pack makes the parts of a plan, in order. open gives the copy that the store has of a digest. The error is a Fault, one of
// open or the context's: LimitExceeded where the plan is too large, and a transient one where a copy is not what its digest says.
func Pack(ctx context.Context, members []extension.Member, open func(extension.Digest) (fs.FS, error)) ([][]byte, error) {
	packed := &bounded{limit: PartSize * MaxParts}
	compressed, err := gzip.NewWriterLevel(packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if err := packMembers(ctx, tar.NewWriter(compressed), members, open); err != nil {
		return nil, err
	}
	if err := compressed.Close(); err != nil {
		return nil, err
	}
	if packed.size > packed.limit {
		return nil, tooLarge(members, packed.size, packed.limit, "packed")
	}
	return slices.Collect(slices.Chunk(packed.data, PartSize)), nil
}

func packMembers(ctx context.Context, outer *tar.Writer, members []extension.Member, open func(extension.Digest) (fs.FS, error)) error {
	total := int64(0)
	for _, m := range members {
		own, err := canonical(ctx, m, max(0, MaxUnpacked-total), open)
		if err != nil {
			return err
		}
		if total += own.size; total > MaxUnpacked {
			continue // the rest only counts
		}
		header := tar.Header{Typeflag: tar.TypeReg, Name: entryName(m.Key), Mode: 0o644, Size: own.size, Format: tar.FormatPAX}
		if err := outer.WriteHeader(&header); err != nil {
			return err
		}
		if _, err := outer.Write(own.data); err != nil {
			return err
		}
	}
	if total > MaxUnpacked {
		return tooLarge(members, total, MaxUnpacked, "unpacked")
	}
	return outer.Close()
}

// canonical is the tar of a member, kept up to a limit.
func canonical(ctx context.Context, m extension.Member, limit int64, open func(extension.Digest) (fs.FS, error)) (*bounded, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	content, err := open(m.Digest)
	if err != nil {
		return nil, err
	}
	own := &bounded{limit: limit}
	if err := store.CanonicalTar(own, content); err != nil {
		return nil, err
	}
	if found := extension.DigestOf(own.data); own.size <= limit && found != m.Digest {
		return nil, extension.NewTransientFault(extension.LoadFailed, fmt.Errorf("its content is %s", found),
			"the store's copy of %s is not what its digest says; it is copied again from the catalog", m.Key)
	}
	return own, nil
}

// entryName is what a member's tar is called in the payload.
func entryName(k extension.Key) string {
	return fmt.Sprintf("%s/%s/%s.tar", k.Type, k.Name, k.Version)
}

func tooLarge(members []extension.Member, size, limit int64, how string) *extension.Fault {
	return extension.NewFault(extension.LimitExceeded,
		"%s and what it depends on have %d KiB %s, over the limit of %d KiB that a Job is given; remove what its folder does not need, or depend on less",
		members[len(members)-1].Key, (size+1023)>>10, how, limit>>10)
}

// bounded is a buffer that keeps up to limit bytes, and counts all.
type bounded struct {
	data        []byte
	size, limit int64
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.size += int64(len(p)); b.size <= b.limit {
		b.data = append(b.data, p...)
	}
	return len(p), nil
}
