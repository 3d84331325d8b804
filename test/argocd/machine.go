// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	luajson "layeh.com/gopher-json"
)

// patience is how long Argo CD lets a script run.
const patience = time.Second

// Health is how an object fares.
type Health struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

// statuses are the words that a health script may use.
var statuses = []string{"Unknown", "Progressing", "Suspended", "Healthy", "Degraded", "Missing"}

// run gives the value that a script returns for an object. What a script may use is what
// Argo CD opens for a script of argocd-cm: package, base and table, and of os time and date,
// by require alone. There is no string and no math.
func run(script string, object map[string]any) ([]byte, error) {
	l := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer l.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	l.SetContext(ctx)
	for _, library := range []struct {
		name string
		open lua.LGFunction
	}{{lua.LoadLibName, lua.OpenPackage}, {lua.BaseLibName, lua.OpenBase}, {lua.TabLibName, lua.OpenTable}} {
		l.Push(l.NewFunction(library.open))
		l.Push(lua.LString(library.name))
		l.Call(1, 0)
	}
	l.PreloadModule(lua.OsLibName, safeOS)
	l.SetGlobal("actionParams", l.NewTable())
	l.SetGlobal("obj", toLua(l, object))
	if err := l.DoString(script); err != nil {
		return nil, err
	}
	returned := l.Get(-1)
	if returned.Type() != lua.LTTable {
		return nil, fmt.Errorf("a script must return a table, not %s", returned.Type())
	}
	return luajson.Encode(returned)
}

// safeOS has time and date of Lua's os, and nothing else of it.
func safeOS(l *lua.LState) int {
	whole := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer whole.Close()
	whole.Push(whole.NewFunction(lua.OpenOs))
	whole.Call(0, 1)
	all, is := whole.Get(-1).(*lua.LTable)
	if !is {
		l.RaiseError("Lua's os is no table")
	}
	safe := l.NewTable()
	for _, name := range []string{"time", "date"} {
		function, is := all.RawGetString(name).(*lua.LFunction)
		if !is {
			l.RaiseError("Lua's os has no function %s", name)
		}
		safe.RawSetString(name, l.NewFunction(function.GFunction))
	}
	l.Push(safe)
	return 1
}

// toLua makes a value of an object what a script sees of it.
func toLua(l *lua.LState, value any) lua.LValue {
	switch v := value.(type) {
	case bool:
		return lua.LBool(v)
	case string:
		return lua.LString(v)
	case float64:
		return lua.LNumber(v)
	case int64:
		return lua.LNumber(v)
	case []any:
		list := l.CreateTable(len(v), 0)
		for _, item := range v {
			list.Append(toLua(l, item))
		}
		return list
	case map[string]any:
		table := l.CreateTable(0, len(v))
		for key, item := range v {
			table.RawSetString(key, toLua(l, item))
		}
		return table
	default:
		return lua.LNil
	}
}

// Health of an object, by the script for its kind.
func (c Customizations) Health(object *unstructured.Unstructured) (Health, error) {
	script, known := c.health[object.GroupVersionKind().GroupKind()]
	if !known {
		return Health{}, fmt.Errorf("no health script for %s", object.GroupVersionKind().GroupKind())
	}
	returned, err := run(script, object.Object)
	if err != nil {
		return Health{}, err
	}
	var health Health
	if err := json.Unmarshal(returned, &health); err != nil {
		return Health{}, err
	}
	if !slices.Contains(statuses, health.Status) {
		return Health{}, fmt.Errorf("%q is no health status", health.Status)
	}
	return health, nil
}

// Offer is an action that a user may choose, unless it is disabled.
type Offer struct {
	Disabled    bool   `json:"disabled"`
	DisplayName string `json:"displayName"`
}

// Offered are the actions that the discovery script offers for an object. What it says of one
// is read strictly: Argo CD would pass over a misspelt field.
func (c Customizations) Offered(object *unstructured.Unstructured) (map[string]Offer, error) {
	returned, err := run(c.actions[object.GroupVersionKind().GroupKind()].Discovery, object.Object)
	if err != nil {
		return nil, err
	}
	var offered map[string]Offer
	decoder := json.NewDecoder(bytes.NewReader(returned))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&offered); err != nil {
		return nil, err
	}
	return offered, nil
}

// Act gives what an action makes of an object; Argo CD patches what differs.
func (c Customizations) Act(object *unstructured.Unstructured, action string) (*unstructured.Unstructured, error) {
	definitions := c.actions[object.GroupVersionKind().GroupKind()].Definitions
	at := slices.IndexFunc(definitions, func(d Definition) bool { return d.Name == action })
	if at < 0 {
		return nil, fmt.Errorf("no action %s for %s", action, object.GroupVersionKind().GroupKind())
	}
	returned, err := run(definitions[at].Script, object.Object)
	if err != nil {
		return nil, err
	}
	after := &unstructured.Unstructured{}
	if err := after.UnmarshalJSON(returned); err != nil {
		return nil, err
	}
	after.Object, _ = restore(after.Object, object.Object).(map[string]any)
	return after, nil
}

// restore makes empty lists that were empty maps before what they were: Lua cannot tell
// them apart, and Argo CD does this too.
func restore(after, before any) any {
	switch a := after.(type) {
	case map[string]any:
		if b, same := before.(map[string]any); same {
			for key := range a {
				a[key] = restore(a[key], b[key])
			}
		}
	case []any:
		if b, was := before.(map[string]any); was && len(a) == 0 {
			return b
		}
		if b, same := before.([]any); same {
			for i := range min(len(a), len(b)) {
				a[i] = restore(a[i], b[i])
			}
		}
	}
	return after
}
