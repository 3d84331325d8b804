// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"os"
	"time"

	"provisioning.dev/extension-operator/internal/store"
)

func compareIDs(a, b id) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name))
}

// enter takes the gate of a name, behind which one caller at a time reads its
// folders, and makes the entry where there is none. Whoever entered leaves. The
// error is that of ctx.
func (l *Library) enter(ctx context.Context, who id) (*entry, error) {
	for {
		l.mu.Lock()
		e, known := l.names[who]
		if !known {
			e = &entry{gate: make(chan struct{}, 1), parts: map[string]*part{}}
			l.names[who] = e
		}
		l.mu.Unlock()
		select {
		case e.gate <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		l.mu.RLock()
		current := l.names[who] == e
		l.mu.RUnlock()
		if current {
			return e, nil
		}
		<-e.gate // it was dropped by the one before: nobody would see it
	}
}

// leave opens the gate, and drops an entry of nothing: asking for names that
// never were keeps no memory.
func (l *Library) leave(who id, e *entry) {
	l.mu.Lock()
	for folder, p := range e.parts {
		if p.accepted.shape == absent && !p.waiting {
			delete(e.parts, folder)
		}
	}
	if len(e.parts) == 0 {
		delete(l.names, who)
	}
	l.mu.Unlock()
	<-e.gate
}

// moves tells whether a part may become another one soon.
func (e *entry) moves() bool {
	for _, p := range e.parts {
		if p.waiting {
			return true
		}
	}
	return false
}

// looked is what a look at a name came to.
type looked struct {
	changed bool // an answer did
	moving  bool // something has not come to rest
}

// look compares a name with the disk and takes over what has come to rest. With
// again it also reads again what looks unchanged. The error is that of ctx.
func (l *Library) look(ctx context.Context, root *os.Root, who id, again bool) (looked, error) {
	e, err := l.enter(ctx, who)
	if err != nil {
		return looked{}, err
	}
	defer l.leave(who, e)
	began := time.Now()
	seen, err := l.sightName(ctx, root, who)
	if err != nil {
		return looked{}, err
	}
	when := span{began, time.Now()}
	for _, folder := range seen.folders {
		l.watches.arm(folder)
	}
	result := looked{}
	for folder, p := range l.allParts(e, seen) {
		one, err := l.lookAtPart(ctx, root, partOf{who, folder, p}, seen.parts[folder], when, again)
		if err != nil {
			return result, err
		}
		result.changed = result.changed || one.changed
		result.moving = result.moving || one.moving
	}
	if result.moving {
		l.lookLater(false, who)
	}
	return result, nil
}

// allParts are the parts that were and those that are, made where they are new.
func (l *Library) allParts(e *entry, seen nameSight) map[string]*part {
	l.mu.Lock()
	defer l.mu.Unlock()
	for folder := range seen.parts {
		if _, known := e.parts[folder]; !known {
			e.parts[folder] = &part{}
		}
	}
	return maps.Clone(e.parts)
}

// partOf is a part and where it belongs.
type partOf struct {
	who    id
	folder string
	*part
}

// lookAtPart needs the gate.
func (l *Library) lookAtPart(ctx context.Context, root *os.Root, p partOf, seen sighting, when span, again bool) (looked, error) {
	l.mu.Lock()
	before := p.checked
	judged := p.consider(seen, when, l.quiet, !l.synced.IsZero())
	l.mu.Unlock()
	if judged == wait {
		return looked{moving: true}, nil
	}
	if judged == keep && (!again || before == nil) {
		return looked{}, nil
	}
	var known *checked
	if before != nil && (seen.shape == single || seen.shape == version) {
		var err error
		known, err = l.examine(ctx, root, p.who, p.folder, seen)
		if ctx.Err() != nil {
			return looked{}, ctx.Err()
		}
		if errors.Is(err, store.ErrChanging) {
			l.mu.Lock()
			defer l.mu.Unlock()
			p.postpone(seen, when.ended)
			return looked{moving: true}, nil
		}
		// Any other error is the disk's: nothing is known of the new content,
		// and whoever fetches it is told why.
	}
	return looked{changed: l.settle(p, seen, known)}, nil
}

// settle logs what came to rest broken: not every such thing has an object that
// could say so.
func (l *Library) settle(p partOf, seen sighting, known *checked) bool {
	l.mu.Lock()
	changed := p.settle(seen, known)
	l.mu.Unlock()
	fault := seen.fault
	if seen.shape == misnamed {
		fault = misnamedFault(l.shown(p.who, p.folder))
	}
	if changed && fault != nil {
		l.log.Info("extension is broken", "type", p.who.kind, "name", p.who.name, "problem", fault.Message)
	}
	return changed
}

// lookNow looks at one name until it has come to rest, at most three times.
// The error is that of ctx, or the Fault of a library that cannot be read.
func (l *Library) lookNow(ctx context.Context, who id, again bool) error {
	for try := range 3 {
		if try > 0 {
			if err := sleep(ctx, l.quiet); err != nil {
				return err
			}
		}
		rest, err := l.lookOnce(ctx, who, again && try == 0)
		if err != nil || rest {
			return err
		}
	}
	return l.lostFault()
}

func (l *Library) lookOnce(ctx context.Context, who id, again bool) (rest bool, err error) {
	root, err := l.openRoot()
	if err != nil {
		l.rootLost(err)
		return false, l.lostFault()
	}
	defer root.Close()
	if l.lostFault() != nil {
		// One name that can be read does not make the library whole again.
		if _, err := l.listNames(); err != nil {
			l.rootLost(err)
			return false, l.lostFault()
		}
		l.rootFound()
	}
	result, err := l.look(ctx, root, who, again)
	if result.changed {
		l.tell([]id{who})
	}
	return !result.moving, err
}

// lostFault is the Fault of a library that cannot be read, or nil.
func (l *Library) lostFault() error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.unavailable == nil {
		return nil
	}
	return l.unavailable
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
