// SPDX-License-Identifier: Apache-2.0

package sandbox

// capture keeps the first bytes of an output and calls over when there are more. It goes on taking bytes after that, so
// that whoever writes is never blocked on us.
type capture struct {
	limit int64
	over  func()
	kept  []byte
	// cut: there was more than is kept.
	cut bool
}

// Write never fails.
func (c *capture) Write(p []byte) (int, error) {
	room := c.limit - int64(len(c.kept))
	if int64(len(p)) <= room {
		c.kept = append(c.kept, p...)
		return len(p), nil
	}
	c.kept = append(c.kept, p[:room]...)
	c.cut = true
	c.over()
	return len(p), nil
}
