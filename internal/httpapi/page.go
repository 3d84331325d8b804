// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Paging is what a request may say about how much it wants.
type Paging struct {
	Limit    int    `query:"limit" minimum:"1" maximum:"1000" doc:"At most so many; all where it is not given"`
	Continue string `query:"continue" maxLength:"2048" doc:"What the answer before said, for what comes next"`
}

// part gives what is wanted of a sorted list, and where it goes on. What id says of a
// member tells it apart from all others.
func part[T any](p Paging, all []T, id func(*T) string) (some []T, next string, err error) {
	if p.Continue != "" {
		last, err := base64.RawURLEncoding.DecodeString(p.Continue)
		if err != nil {
			return nil, "", fail(http.StatusUnprocessableEntity, "query.continue: not one that this API gave; leave it out to begin again")
		}
		at := slices.IndexFunc(all, func(member T) bool { return id(&member) == string(last) })
		if at < 0 {
			return nil, "", fail(http.StatusGone, "the list has changed where it was to go on; leave continue out to begin again")
		}
		all = all[at+1:]
	}
	if p.Limit == 0 || len(all) <= p.Limit {
		return all, "", nil
	}
	return all[:p.Limit], base64.RawURLEncoding.EncodeToString([]byte(id(&all[p.Limit-1]))), nil
}

const (
	// maxPages is how many answers are kept, maxPage how long one may be, in bytes.
	maxPages = 32
	maxPage  = 256 << 10
)

// pages keeps answers as they were written, as long as nothing changes. Each is kept for
// the very set of namespaces that it is about, so that nobody sees another's.
type pages struct {
	mu    sync.RWMutex
	stamp uint64
	texts map[string][]byte
}

func newPages() *pages { return &pages{texts: map[string][]byte{}} }

// pageID tells answers apart; no part of it may hold a line break.
func pageID(parts ...string) string { return strings.Join(parts, "\n") }

func (p *pages) get(stamp uint64, id string) ([]byte, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	text, known := p.texts[id]
	return text, known && p.stamp == stamp
}

// put keeps an answer that was made when the stamp was not yet another.
func (p *pages) put(stamp uint64, id string, text []byte) {
	if len(text) > maxPage {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if stamp < p.stamp {
		return
	}
	if stamp > p.stamp || len(p.texts) >= maxPages {
		p.stamp = stamp
		clear(p.texts)
	}
	p.texts[id] = text
}
