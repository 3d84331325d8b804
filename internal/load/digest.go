// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strconv"

	"provisioning.dev/extension-operator/internal/extension"
)

// InputDigest covers everything that decides the outcome of loading plan: the
// key and content of each member, whether the root is loaded alone, the nu binary,
// the loading program and the protocol. It fails as the Runner's Toolchain does.
func (l *Loader) InputDigest(ctx context.Context, plan extension.Plan) (extension.Digest, error) {
	tools, err := l.opts.Runner.Toolchain(ctx)
	if err != nil {
		return "", err
	}
	return inputDigest(plan, tools), nil
}

func inputDigest(plan extension.Plan, tools extension.Toolchain) extension.Digest {
	h := sha256.New()
	for _, m := range plan.Members {
		writeLine(h, m.Key.String(), string(m.Digest))
	}
	if plan.Alone {
		writeLine(h, "alone")
	}
	writeLine(h, string(tools.Nushell), string(tools.Program), strconv.Itoa(tools.Protocol))
	return extension.Digest("sha256:" + hex.EncodeToString(h.Sum(nil)))
}

// writeLine separates fields by characters that none of them can contain.
func writeLine(w io.Writer, fields ...string) {
	for _, f := range fields {
		_, _ = io.WriteString(w, f+"\t") // a hash never fails
	}
	_, _ = io.WriteString(w, "\n")
}
