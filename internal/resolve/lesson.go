// SPDX-License-Identifier: Apache-2.0

package resolve

import "slices"

// lesson is that a version cannot be chosen together with others. It is true of the
// problem, wherever in the search it was learnt.
type lesson []chosen

// chosen is a version of a name.
type chosen struct {
	choice  *choice
	version int
}

// Long lessons hardly ever come true again, and each is looked at often.
const (
	maxLesson = 8
	// maxLessons are kept of each version, the newest.
	maxLessons = 64
)

// learn keeps that c's version failed by what stands at the places of blame, one of
// which is its own.
func (s *search) learn(c *choice, blame bits) {
	var l lesson
	for place, other := range s.decided[:c.at] {
		if !blame.has(place) {
			continue
		}
		if len(l) == maxLesson {
			return
		}
		l = append(l, chosen{other, other.version})
	}
	if c.lessons == nil {
		c.lessons = make([][]lesson, len(c.shelf.versions))
	}
	known := c.lessons[c.version]
	if len(known) == maxLessons {
		known = slices.Delete(known, 0, 1)
	}
	c.lessons[c.version] = append(known, l)
}

// taught adds to blame the places of those with whom a version of c cannot be
// chosen, and tells whether there are any.
func (c *choice) taught(version int, blame bits) bool {
	if c.lessons == nil {
		return false
	}
	for _, l := range slices.Backward(c.lessons[version]) {
		if !slices.ContainsFunc(l, func(o chosen) bool { return o.choice.at == undecided || o.choice.version != o.version }) {
			for _, o := range l {
				blame.set(o.choice.at)
			}
			return true
		}
	}
	return false
}
