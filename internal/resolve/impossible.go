// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"provisioning.dev/extension-operator/internal/extension"
)

// impossible says why the dependencies of a candidate cannot be had, of which core is
// some: first what is missing altogether, then which demands contradict each other.
func (q *inquiry) impossible(ctx context.Context, p problem, core []extension.Demand) error {
	if p.lenient { // so nothing that is missing had a part in it
		return q.conflict(ctx, p, core)
	}
	p.lenient = true
	answer, err := q.solver.solve(ctx, p)
	if err != nil {
		return q.tooMuch(err, p.root)
	}
	if answer.chosen == nil {
		return q.conflict(ctx, p, answer.core)
	}
	chosen, err := q.gather(ctx, q.index, p.root, answer.chosen)
	if err != nil {
		return err
	}
	failed, err := q.missing(ctx, p.root, chosen.requirements)
	if err != nil {
		return err
	}
	if seekers, requires := q.index.source.(*peers); requires {
		return q.foresee(ctx, failed, seekers)
	}
	return failed
}

// missing is the failure of demands that nothing meets.
func (q *inquiry) missing(ctx context.Context, root extension.Member, requirements []extension.Requirement) (*failure, error) {
	f := &failure{root: root, dependencies: requirements, passing: true}
	var details, names []string
	code := extension.DependencyNotReady
	for _, r := range requirements {
		if !r.State.Failing() {
			continue
		}
		details = append(details, r.Message)
		names = append(names, r.Dependency.String())
		if r.State == extension.DependencyIsMissing {
			code = extension.DependencyMissing
		}
		why, err := q.index.unmet(ctx, r.Demand)
		if err != nil {
			return nil, err
		}
		f.passing = f.passing && why.passing
	}
	f.fault = extension.NewFault(code, "%s", problems(code, details, names))
	f.fault.Waits = q.req.Policy == Require
	return f, nil
}

// problems joins what is wrong, or, where that is too long for a message, the names.
func problems(code extension.Code, details, names []string) string {
	slices.Sort(names)
	names = slices.Compact(names)
	what := "not ready"
	if code == extension.DependencyMissing {
		what = "missing"
	}
	subject := "a dependency is " + what
	if len(names) > 1 {
		subject = fmt.Sprintf("%d dependencies are %s", len(names), what)
	}
	if message := subject + ": " + strings.Join(details, "; "); len(message) <= maxMessage {
		return message
	}
	return fit(subject+"; see status.dependencies: ", names, ", ", "")
}

// maxMessage is how long a condition's message may be, in bytes.
const maxMessage = 1024

// manyMore is the longest end of a list that was cut.
const manyMore = " and 99999 more"

// fit joins as many of texts between head and tail as a message has room for, one at
// least, and says how many more there are.
func fit(head string, texts []string, separator, tail string) string {
	if message := head + strings.Join(texts, separator) + tail; len(message) <= maxMessage {
		return message
	}
	room := maxMessage - len(head) - len(tail) - len(manyMore)
	shown := max(1, slices.IndexFunc(texts, func(text string) bool {
		room -= len(text) + len(separator)
		return room < 0
	}))
	return fmt.Sprintf("%s%s and %d more%s", head, strings.Join(texts[:shown], separator), len(texts)-shown, tail)
}

// conflict is the failure of demands that contradict each other: a group of which
// none can be left out.
func (q *inquiry) conflict(ctx context.Context, p problem, core []extension.Demand) error {
	core, err := q.minimise(ctx, p, core)
	if err != nil {
		return err
	}
	f := &failure{root: p.root}
	for _, demand := range core {
		f.dependencies = append(f.dependencies, extension.Requirement{
			Demand: demand, State: extension.DependencyIsConflict, Message: "cannot be met together with the others that conflict",
		})
	}
	f.fault = extension.NewFault(extension.DependencyConflict, "%s", fit("no versions of the dependencies go together: ",
		inWords(p.root.Key, core), "; ", "; change one of these ranges, or publish a version that fits"))
	return f
}

// minimise leaves out of a core what it does not need. Each demand that is kept is
// one without which there would be a solution; only where that takes too many steps
// some are kept unseen.
func (q *inquiry) minimise(ctx context.Context, p problem, core []extension.Demand) ([]extension.Demand, error) {
	p.steps = q.aside
	for needed := 0; needed < len(core); {
		p.only = map[extension.Demand]bool{}
		for i, demand := range core {
			p.only[demand] = i != needed
		}
		answer, err := q.solver.solve(ctx, p)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			return core, nil //nolint:nilerr // out of steps: what is known is still a conflict
		case answer.chosen != nil:
			needed++
		default:
			known := core[:needed]
			core = slices.Concat(known, slices.DeleteFunc(answer.core, func(d extension.Demand) bool { return slices.Contains(known, d) }))
		}
	}
	return core, nil
}

// inWords tells who demands what, the root first; versions of one name that demand
// the same are told together.
func inWords(root extension.Key, core []extension.Demand) []string {
	core = slices.Clone(core)
	slices.SortStableFunc(core, func(a, b extension.Demand) int {
		switch {
		case (a.By == root) == (b.By == root):
			return compareDemands(a, b)
		case a.By == root:
			return -1
		}
		return 1
	})
	type wish struct {
		by id
		extension.Dependency
	}
	var wishes []wish
	versions := map[wish][]string{}
	for _, d := range core {
		w := wish{idOf(d.By), d.Dependency}
		if versions[w] == nil {
			wishes = append(wishes, w)
		}
		versions[w] = append(versions[w], d.By.Version)
	}
	texts := make([]string, 0, len(wishes))
	for _, w := range wishes {
		verb := "needs"
		if len(versions[w]) > 1 {
			verb = "need"
		}
		texts = append(texts, fmt.Sprintf("%s %s %s %s", w.by, extension.FormatVersions(versions[w], 5), verb, w.Dependency))
	}
	return texts
}
