// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2/negotiation"

	"provisioning.dev/extension-operator/internal/extension"
)

// AvailableQuery asks what the catalogs have.
type AvailableQuery struct {
	Paging
	Type      kind  `query:"type" doc:"Only this type"`
	Name      label `query:"name" doc:"Only this name"`
	Namespace label `query:"namespace" doc:"What this namespace may see; what all may see where it is not given"`
}

// available is the output of available.
type available struct{ Body List[Offer] }

// GraphQuery asks for a graph.
type GraphQuery struct {
	Root      string `query:"root" maxLength:"256" doc:"TYPE/NAME[@RANGE]: only what it resolves to; everything where it is not given"`
	Format    string `query:"format" enum:"json,dot,mermaid" doc:"By default what Accept asks for"`
	Namespace label  `query:"namespace" doc:"What this namespace may see; what all may see where it is not given"`
	Accept    string `header:"Accept" doc:"application/json, text/vnd.graphviz or text/vnd.mermaid"`
}

// Media types of drawings.
const (
	dotType     = "text/vnd.graphviz"
	mermaidType = "text/vnd.mermaid"
)

// mediaTypes are those of the formats.
var mediaTypes = map[string]string{"json": jsonType, "dot": dotType, "mermaid": mermaidType}

// formats are what media types that may be accepted stand for.
var formats = map[string]string{
	jsonType: "json", dotType: "dot", mermaidType: "mermaid", "*/*": "json", "application/*": "json", "text/*": "dot",
}

func (a *API) registerCatalogs() {
	register(a, operation{
		method: http.MethodGet, path: base + "/available", id: "list-available", summary: "List what the catalogs have",
		about: byPath, failures: []int{http.StatusGone},
	}, a.listAvailable)
	register(a, operation{
		method: http.MethodGet, path: base + "/graph", id: "get-graph", summary: "Draw the dependencies of what the catalogs have",
		description: "Of one extension what is chosen for it, else the newest stable version of everything, each solved alone. What does not resolve is drawn with its state.",
		about:       byPath, success: reflect.TypeFor[Success[Graph]](), texts: []string{dotType, mermaidType},
		failures: []int{http.StatusNotFound, http.StatusNotAcceptable, http.StatusConflict, http.StatusGatewayTimeout},
	}, a.draw)
}

func (a *API) listAvailable(ctx context.Context, q *AvailableQuery) (*available, error) {
	if err := a.mayAskFor(ctx, q.Namespace); err != nil {
		return nil, err
	}
	all, err := a.opts.Catalogs.Available(ctx, string(q.Namespace))
	if err != nil {
		return nil, err
	}
	offers, next, err := part(q.Paging, offersOf(all, q.Type, q.Name), func(o *Offer) string { return pageID(o.ExtensionType, o.Name) })
	if err != nil {
		return nil, err
	}
	return &available{List[Offer]{Success: true, Data: offers, Continue: next}}, nil
}

// mayAskFor says that a namespace is the caller's to ask for.
func (a *API) mayAskFor(ctx context.Context, namespace label) error {
	if namespace == "" {
		return nil
	}
	_, err := a.mayList(ctx, namespace, nil)
	return err
}

// offersOf gathers the versions of each name.
func offersOf(all []Available, t kind, name label) []Offer {
	offers := []Offer{}
	for i := range all {
		one := &all[i]
		if t != "" && one.Type != t.value() || name != "" && one.Name != string(name) {
			continue
		}
		last := len(offers) - 1
		if last < 0 || offers[last].Name != one.Name || offers[last].ExtensionType != title(one.Type) {
			offers = append(offers, Offer{ExtensionType: title(one.Type), Name: one.Name, Catalog: one.Catalog})
			last++
		}
		offers[last].Versions = append(offers[last].Versions, versionOf(one))
	}
	return offers
}

func versionOf(one *Available) Version {
	m := one.Metadata
	v := Version{
		Version: one.Version, Path: one.Path, Description: m.Description, Dependencies: texts(m.Dependencies),
		Author: orNull(m.Author), Repository: orNull(m.Repository),
	}
	if one.Fault != nil {
		v.Broken = &Broken{Reason: string(one.Fault.Code), Message: one.Fault.Message}
	}
	return v
}

func (a *API) draw(ctx context.Context, q *GraphQuery) (*document, error) {
	if err := a.mayAskFor(ctx, q.Namespace); err != nil {
		return nil, err
	}
	format, err := q.format()
	if err != nil {
		return nil, err
	}
	var root extension.Ref
	if q.Root != "" {
		if root, err = parseRoot(q.Root); err != nil {
			return nil, err
		}
	}
	text, err := a.drawn(ctx, string(q.Namespace), format, root)
	if err != nil {
		return nil, err
	}
	return written(mediaTypes[format], text), nil
}

// drawn is a graph as it is answered. That of everything is much work, and kept.
func (a *API) drawn(ctx context.Context, namespace, format string, root extension.Ref) ([]byte, error) {
	stamp, id := a.opts.Inventory.Stamp(), pageID("graph", namespace, format)
	if text, known := a.pages.get(stamp, id); known && root.Name == "" {
		return text, nil
	}
	text, err := a.opts.Catalogs.Graph(ctx, namespace, format, root)
	if err == nil && format == "json" {
		text, err = encode(Success[graphText]{Success: true, Data: text})
	}
	if err == nil && root.Name == "" {
		a.pages.put(stamp, id, text)
	}
	return text, err
}

// format is the one that is asked for, by name or else by what the caller accepts.
func (q *GraphQuery) format() (string, error) {
	if q.Format != "" {
		return q.Format, nil
	}
	if q.Accept == "" {
		return "json", nil
	}
	// Of what is accepted alike, the first here is taken.
	wanted := negotiation.SelectQValue(q.Accept, []string{jsonType, dotType, mermaidType, "*/*", "application/*", "text/*"})
	if format, can := formats[wanted]; can {
		return format, nil
	}
	return "", fail(http.StatusNotAcceptable, "a graph is %s, %s or %s; accept one of them, or choose by ?format=json, dot or mermaid", jsonType, dotType, mermaidType)
}

// parseRoot reads TYPE/NAME[@RANGE], the type in any letter case.
func parseRoot(text string) (extension.Ref, error) {
	t, rest, _ := strings.Cut(text, "/")
	ref, err := extension.ParseRef(strings.ToLower(t) + "/" + rest)
	if err != nil {
		return ref, fail(http.StatusUnprocessableEntity, "query.root: %s", clip(err.Error()))
	}
	return ref, nil
}
