// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"context"
	"fmt"
	"slices"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/graph"
)

// Answer is what a Ref resolves to, or why it does not.
type Answer struct {
	Ref        extension.Ref
	Resolution extension.Resolution
	// Fault is nil where it resolves.
	Fault *extension.Fault
}

// Survey resolves the newest stable version of every name that namespace may see,
// by type and name. The error is that of a catalog that cannot be read, or of ctx.
func (r *Resolver) Survey(ctx context.Context, namespace string) ([]Answer, error) {
	var answers []Answer
	for _, t := range extension.Types() {
		var names []string
		for _, catalog := range r.catalogs {
			more, err := catalog.Names(ctx, namespace, t)
			if err != nil {
				return nil, fmt.Errorf("list the names of catalog %s: %w", catalog.Name(), err)
			}
			names = append(names, more...)
		}
		slices.Sort(names)
		for _, name := range slices.Compact(names) {
			answer, err := r.Answer(ctx, Request{Ref: extension.Ref{Type: t, Name: name}, Namespace: namespace})
			if err != nil {
				return nil, err
			}
			answers = append(answers, answer)
		}
	}
	return answers, nil
}

// Answer is Resolve for those who go on with what it found in any case. The error is
// that of ctx.
func (r *Resolver) Answer(ctx context.Context, req Request) (Answer, error) {
	answer := Answer{Ref: req.Ref}
	var err error
	if answer.Resolution, err = r.Resolve(ctx, req); err != nil {
		answer.Fault = extension.AsFault(err)
	}
	return answer, ctx.Err()
}

// Draw makes one drawing of answers: nodes are keys, or type:name where no version
// was found; edges are demands. Their states say what is wrong.
func Draw(answers []Answer) graph.Drawing {
	var d graph.Drawing
	for _, answer := range answers {
		root := extension.Key{Type: answer.Ref.Type, Name: answer.Ref.Name}
		if answer.Resolution.Found() {
			root = answer.Resolution.Root.Key
		}
		node := graph.Node{ID: nodeID(root)}
		if answer.Fault != nil {
			node.State = string(answer.Fault.Code)
		}
		d.Nodes = append(d.Nodes, node)
		for _, r := range answer.Resolution.Dependencies {
			on := r.Chosen()
			if on.Version == "" {
				d.Nodes = append(d.Nodes, graph.Node{ID: nodeID(on), State: string(r.State)})
			}
			d.Edges = append(d.Edges, graph.Edge{From: nodeID(r.By), To: nodeID(on), Constraint: r.Constraint, State: string(r.State)})
		}
	}
	return d
}

func nodeID(k extension.Key) string {
	if k.Version == "" {
		return string(k.Type) + ":" + k.Name
	}
	return k.String()
}
