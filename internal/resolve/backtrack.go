// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"provisioning.dev/extension-operator/internal/extension"
)

// backtracker is a solver that tries the newest versions first and, where a name
// has none left, goes back to the newest choice that had a part in that. What it
// skips cannot hold a solution, so the first one that it finds is the best.
type backtracker struct{}

func (backtracker) solve(ctx context.Context, p problem) (solution, error) {
	s := &search{
		ctx: ctx, problem: p, packages: map[id]*choice{}, pending: map[*choice]struct{}{}, used: map[extension.Demand]bool{},
	}
	root := &choice{who: idOf(p.root.Key), shelf: newShelf([]string{p.root.Key.Version}), at: undecided}
	s.packages[root.who] = root
	s.pending[root] = struct{}{}
	solved, _, err := s.decide()
	if err != nil {
		return solution{}, err
	}
	if !solved {
		return solution{core: slices.SortedFunc(maps.Keys(s.used), compareDemands)}, nil
	}
	chosen := make([]extension.Key, 0, len(s.decided))
	for _, c := range s.decided {
		chosen = append(chosen, c.key())
	}
	return solution{chosen: chosen}, nil
}

func compareDemands(a, b extension.Demand) int {
	return cmp.Or(
		cmp.Compare(a.By.Type, b.By.Type), cmp.Compare(a.By.Name, b.By.Name), extension.CompareVersions(b.By.Version, a.By.Version),
		compareIDs(wanted(a.Dependency), wanted(b.Dependency)), cmp.Compare(a.Constraint, b.Constraint))
}

// search is one run of a backtracker.
type search struct {
	problem
	ctx      context.Context //nolint:containedctx // a search is one call, and recursion passes everything else this way too
	packages map[id]*choice
	// decided are the choices made, in their order; pending those still to make.
	decided []*choice
	pending map[*choice]struct{}
	// used are the demands that had a part in any failure.
	used map[extension.Demand]bool
}

// choice is one name of which a version has to be chosen.
type choice struct {
	who   id
	shelf *shelf
	// demands on it, of what was decided; the first is why it is needed at all.
	demands []demand
	// distance from the root, along the shortest way.
	distance int
	// at is its place among the decided, undecided if it is not; version the one it has.
	at, version int
	// made are the names that its version has put a demand on.
	made []*choice
	// lessons of each version.
	lessons [][]lesson
}

const undecided = -1

// demand of a decided name, and the versions that meet it.
type demand struct {
	extension.Demand
	by   *choice
	meet bits
}

func (c *choice) key() extension.Key {
	return extension.Key{Type: c.who.kind, Name: c.who.name, Version: c.shelf.versions[c.version]}
}

// decide completes the choices made so far. Where that cannot be, blame holds the
// places of those that had a part in it.
func (s *search) decide() (solved bool, blame bits, err error) {
	c := s.next()
	if c == nil {
		return true, nil, nil
	}
	if err := s.push(c); err != nil {
		return false, nil, err
	}
	blame = newBits(maxMembers)
	for version := range c.shelf.versions {
		if !c.allows(version) || c.taught(version, blame) {
			continue
		}
		if err := s.spend(); err != nil {
			return false, nil, err
		}
		c.version = version
		failed, err := s.demand(c)
		if err == nil && failed == nil {
			solved, failed, err = s.decide()
		}
		if err != nil || solved {
			return solved, nil, err
		}
		s.withdraw(c)
		if !failed.has(c.at) { // no other version of this helps
			s.pop(c)
			return false, failed, nil
		}
		s.learn(c, failed)
		blame.add(failed)
	}
	s.blameDemands(c, blame)
	blame.clear(c.at)
	s.pop(c)
	return false, blame, nil
}

// next is the pending choice that is nearest to the root; of several the first by
// type and name.
func (s *search) next() *choice {
	var first *choice
	for c := range s.pending {
		if first == nil || cmp.Or(cmp.Compare(c.distance, first.distance), compareIDs(c.who, first.who)) < 0 {
			first = c
		}
	}
	return first
}

func (s *search) push(c *choice) error {
	if len(s.decided)+len(s.pending) > maxMembers { // each that is pending will be a member too
		return tooManyMembers(s.root)
	}
	delete(s.pending, c)
	c.at = len(s.decided)
	s.decided = append(s.decided, c)
	return nil
}

func (s *search) pop(c *choice) {
	s.decided = s.decided[:c.at]
	c.at = undecided
	s.pending[c] = struct{}{}
}

func (s *search) spend() error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if *s.steps == 0 {
		return tooManySteps(s.root)
	}
	*s.steps--
	return nil
}

func (c *choice) allows(version int) bool {
	return !slices.ContainsFunc(c.demands, func(d demand) bool { return !d.meet.has(version) })
}

// demand makes the demands of c's version. Where one cannot be met together with
// those before it, blame holds the places of those that made them.
func (s *search) demand(c *choice) (blame bits, err error) {
	dependencies, err := s.dependencies(c)
	if err != nil {
		return nil, err
	}
	for _, dependency := range dependencies {
		d := demand{Demand: extension.Demand{By: c.key(), Dependency: dependency}, by: c}
		if s.only != nil && !s.only[d.Demand] {
			continue
		}
		on, counts, err := s.target(&d)
		if err != nil {
			return nil, err
		}
		if !counts {
			continue
		}
		if blame := s.add(d, on); blame != nil {
			return blame, nil
		}
	}
	return nil, nil
}

func (s *search) dependencies(c *choice) ([]extension.Dependency, error) {
	if c.at == 0 {
		return dependenciesOf(s.root), nil
	}
	return s.index.dependencies(s.ctx, c.key())
}

// target is the choice that a demand is put on. It fills in the versions that meet
// the demand, and tells whether it counts.
func (s *search) target(d *demand) (on *choice, counts bool, err error) {
	who := wanted(d.Dependency)
	whole, err := s.index.shelf(s.ctx, who)
	if err != nil {
		return nil, false, err
	}
	if d.meet, err = s.index.fits(whole, d.Constraint); err != nil || s.lenient && d.meet.empty() {
		return nil, false, err
	}
	on = s.packages[who]
	if on == nil {
		on = &choice{who: who, shelf: whole, at: undecided}
		s.packages[who] = on
	}
	if on.shelf != whole { // the root, of which there is one version
		d.meet, err = s.index.fits(on.shelf, d.Constraint)
	}
	return on, true, err
}

func (s *search) add(d demand, on *choice) (blame bits) {
	if on.at != undecided {
		if d.meet.has(on.version) {
			return nil
		}
		s.used[d.Demand] = true
		blame = newBits(maxMembers)
		blame.set(d.by.at)
		blame.set(on.at)
		return blame
	}
	if len(on.demands) == 0 {
		on.distance = d.by.distance + 1
		s.pending[on] = struct{}{}
	}
	on.demands = append(on.demands, d)
	d.by.made = append(d.by.made, on)
	return s.exhausted(on)
}

// exhausted blames those whose demands leave no version of c, the newest first;
// nil where there is one.
func (s *search) exhausted(c *choice) bits {
	left := slices.Clone(c.demands[0].meet)
	for _, d := range c.demands[1:] {
		left.keep(d.meet)
	}
	if !left.empty() {
		return nil
	}
	blame := newBits(maxMembers)
	last := c.demands[len(c.demands)-1]
	left = slices.Clone(last.meet)
	s.blame(last, blame)
	for _, d := range c.demands {
		before := slices.Clone(left)
		if left.keep(d.meet); !slices.Equal(left, before) {
			s.blame(d, blame)
		}
	}
	return blame
}

// blameDemands blames those who need c at all, and those who left out versions of it.
func (s *search) blameDemands(c *choice, blame bits) {
	if len(c.demands) == 0 {
		return
	}
	s.blame(c.demands[0], blame)
	for version := range c.shelf.versions {
		for _, d := range c.demands {
			if !d.meet.has(version) {
				s.blame(d, blame)
				break
			}
		}
	}
}

func (s *search) blame(d demand, blame bits) {
	s.used[d.Demand] = true
	blame.set(d.by.at)
}

// withdraw takes back the demands of c's version.
func (s *search) withdraw(c *choice) {
	for _, on := range slices.Backward(c.made) {
		on.demands = on.demands[:len(on.demands)-1]
		if len(on.demands) == 0 {
			delete(s.pending, on)
		}
	}
	c.made = nil
}
