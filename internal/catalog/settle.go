// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"time"

	"provisioning.dev/extension-operator/internal/extension"
)

// part is one part of a name: what the library says of it, and what it may say
// next.
type part struct {
	accepted sighting
	// checked is what the accepted content turned out to be, nil until somebody
	// asked or where that could not be found out.
	checked *checked
	// waiting means that candidate was seen at since and has to stay a while.
	waiting   bool
	candidate sighting
	since     time.Time
}

// checked is the outcome of examining a version's content. It is a function of
// that content, and so is remembered as long as the content stays.
type checked struct {
	digest extension.Digest
	// metadata is set where the manifest is right, also beside a fault.
	metadata extension.Metadata
	fault    *extension.Fault
}

func (c *checked) same(o *checked) bool {
	if c == nil || o == nil {
		return c == o
	}
	if c.fault != nil || o.fault != nil {
		return c.fault != nil && o.fault != nil && c.fault.Code == o.fault.Code && c.fault.Message == o.fault.Message
	}
	return c.digest == o.digest
}

// verdict is what a look at a part comes to.
type verdict int

const (
	keep   verdict = iota // it is what the library says already
	accept                // it has come to rest
	wait                  // it may still be moving
)

// span is when a look began and ended.
type span struct{ began, ended time.Time }

// consider judges a sighting. A part has come to rest when two looks at least
// quiet apart saw the same. Until the library was scanned once, one look is
// enough for a whole part that has nothing younger than quiet: a start does not
// wait for what was written long ago. Later the age alone does not count,
// because the clock of a file server may be behind.
func (p *part) consider(seen sighting, when span, quiet time.Duration, scanned bool) verdict {
	if seen.same(p.accepted) {
		p.waiting = false
		return keep
	}
	unknown := !scanned && p.accepted.shape == absent && seen.shape != absent && seen.fault == nil
	aged := !seen.newest.IsZero() && when.began.Sub(seen.newest) >= quiet
	stayed := p.waiting && seen.same(p.candidate) && when.began.Sub(p.since) >= quiet
	if !seen.moving && (stayed || unknown && aged) {
		return accept
	}
	p.postpone(seen, when.ended)
	return wait
}

// postpone remembers since when a candidate has stayed as it is.
func (p *part) postpone(seen sighting, at time.Time) {
	if p.waiting && seen.same(p.candidate) {
		return
	}
	p.waiting, p.candidate, p.since = true, seen, at
}

// settle makes a sighting what the library says, with what is known of its
// content, and tells whether that changes an answer.
func (p *part) settle(seen sighting, known *checked) (changed bool) {
	changed = seen.shape != p.accepted.shape || seen.incomplete != p.accepted.incomplete ||
		known == nil || !known.same(p.checked)
	*p = part{accepted: seen, checked: known}
	return changed
}
