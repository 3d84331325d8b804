// SPDX-License-Identifier: Apache-2.0

package nushell

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"provisioning.dev/extension-operator/internal/extension"
)

// Protocol is the version of the answer that this package reads; docs/schemas has its form.
const Protocol = 1

// hooks are the commands a module may offer, sorted.
var hooks = []string{"configure", "install", "uninstall", "verify"}

// answer is what the loading program said: either failure is set, or key and hooks are.
type answer struct {
	key     extension.Key
	hooks   []string
	failure *failure
}

// failure is why the loading program refused an extension.
type failure struct {
	code        extension.Code
	message     string
	diagnostics []diagnostic
}

// decodeAnswer reads an answer strictly; the error says in words for people what is wrong with it.
func decodeAnswer(text []byte) (answer, error) {
	document, err := parseDocument(text)
	if err != nil {
		return answer{}, err
	}
	// The protocol comes first: another one may have other fields.
	if err := checkProtocol(document); err != nil {
		return answer{}, err
	}
	accepted, isBool := reader{}.field(document, "ok").(bool)
	var r reader
	var a answer
	if isBool && !accepted {
		r.fields(document, "answer", "protocol", "ok", "error")
		a.failure = r.failure(r.field(document, "error"))
	} else {
		r.fields(document, "answer", "protocol", "ok", "extension", "hooks")
		r.require(accepted, "ok is neither true nor false")
		a.key = r.key(r.field(document, "extension"))
		a.hooks = r.hooks(r.field(document, "hooks"))
	}
	if r.err != nil {
		return answer{}, fmt.Errorf("its answer is not of the documented form: %w", r.err)
	}
	return a, nil
}

func checkProtocol(document any) error {
	object, isObject := document.(map[string]any)
	if !isObject {
		return errors.New("its answer is not a JSON object")
	}
	number, isNumber := object["protocol"].(json.Number)
	if !isNumber {
		return errors.New("its answer has no protocol number")
	}
	if number.String() != strconv.Itoa(Protocol) {
		return fmt.Errorf("its answer has protocol %s, this operator reads %d; use the provisioning folder of this release",
			clip(number.String(), 20), Protocol)
	}
	return nil
}

// reader takes an answer apart and keeps the first thing that is wrong. Its methods give zero values from then on.
type reader struct{ err error }

func (r *reader) require(good bool, problem string, args ...any) {
	if !good && r.err == nil {
		r.err = fmt.Errorf(problem, args...)
	}
}

// field is a field of an object, nil where there is none.
func (reader) field(object any, name string) any {
	fields, _ := object.(map[string]any)
	return fields[name]
}

// fields wants an object with exactly these fields.
func (r *reader) fields(value any, what string, names ...string) {
	object, isObject := value.(map[string]any)
	r.require(isObject, "%s is not an object", what)
	for _, name := range names {
		_, present := object[name]
		r.require(present, "%s has no field %s", what, name)
	}
	unknown := []string{}
	for name := range object {
		if !slices.Contains(names, name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	r.require(len(unknown) == 0, "%s has the unknown field %s", what, quoted(first(unknown)))
}

func (r *reader) text(object any, name string) string {
	text, isText := r.field(object, name).(string)
	r.require(isText, "%s is not a string", name)
	return text
}

func (r *reader) position(object any, name string) int {
	number, _ := r.field(object, name).(json.Number)
	n, err := strconv.Atoi(number.String())
	r.require(err == nil && n > 0 && n <= math.MaxInt32, "%s is not a whole number from 1 on", name)
	return n
}

func (r *reader) list(value any, what string) []any {
	list, isList := value.([]any)
	r.require(isList, "%s is not a list", what)
	return list
}

func (r *reader) key(value any) extension.Key {
	r.fields(value, "extension", "type", "name", "version")
	return extension.Key{
		Type:    extension.Type(r.text(value, "type")),
		Name:    r.text(value, "name"),
		Version: r.text(value, "version"),
	}
}

func (r *reader) hooks(value any) []string {
	list := r.list(value, "hooks")
	names := make([]string, 0, len(list))
	for _, one := range list {
		name, _ := one.(string)
		r.require(slices.Contains(hooks, name), "hooks names what is none of %v", hooks)
		r.require(len(names) == 0 || names[len(names)-1] < name, "hooks are not sorted, each once")
		names = append(names, name)
	}
	return names
}

func (r *reader) failure(value any) *failure {
	r.fields(value, "error", "code", "message", "diagnostics")
	f := &failure{code: extension.Code(r.text(value, "code")), message: r.text(value, "message")}
	r.require(f.code == extension.LoadFailed || f.code == extension.InvalidMetadata,
		"code is neither %s nor %s", extension.LoadFailed, extension.InvalidMetadata)
	r.require(f.message != "", "message is empty")
	for _, one := range r.list(r.field(value, "diagnostics"), "diagnostics") {
		r.fields(one, "diagnostic", "file", "line", "column", "message", "code")
		f.diagnostics = append(f.diagnostics, diagnostic{
			File: r.text(one, "file"), Line: r.position(one, "line"), Column: r.position(one, "column"),
			Message: r.text(one, "message"), Code: r.text(one, "code"),
		})
	}
	return f
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
