// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// forms are how the types of settings, by pflag's name for them, are called and written in a file.
var forms = map[string]struct{ name, example string }{
	"string":      {"a string", `"text"`},
	"stringArray": {"a list of strings", `["one", "two"]`},
	"stringSlice": {"a list of strings", `["one", "two"]`},
	"int":         {"a whole number", "4"},
	"bool":        {"a boolean", "true"},
	"duration":    {"a duration", `"30s"`},
}

func (s *setting) kind() string { return s.flag.Value.Type() }

// holdsText tells whether {{key}} is looked for in the value.
func (s *setting) holdsText() bool { return s.kind() == "string" || s.isList() }

func (s *setting) isList() bool { return s.kind() == "stringArray" || s.kind() == "stringSlice" }

// assign sets the value to one of a file.
func (s *setting) assign(value any) error {
	form := forms[s.kind()]
	wrong := fmt.Errorf("is %s, not %s such as %s", kindOf(value), form.name, form.example)
	switch v := value.(type) {
	case string:
		if s.kind() != "string" && s.kind() != "duration" {
			return wrong
		}
		if s.flag.Value.Set(v) != nil {
			return fmt.Errorf("is %q, not %s such as %s", v, form.name, form.example)
		}
	case int64:
		if s.kind() != "int" || s.flag.Value.Set(strconv.FormatInt(v, 10)) != nil {
			return wrong
		}
	case bool:
		if s.kind() != "bool" || s.flag.Value.Set(strconv.FormatBool(v)) != nil {
			return wrong
		}
	case []any:
		texts, ok := textsOf(v)
		if !s.isList() || !ok {
			return wrong
		}
		return s.setTexts(texts)
	default:
		return wrong
	}
	return nil
}

// assignText sets the value to one of the environment; a list is separated by commas.
func (s *setting) assignText(text string) error {
	if s.isList() {
		return s.setTexts(strings.FieldsFunc(text, func(r rune) bool { return r == ',' }))
	}
	if s.flag.Value.Set(text) != nil { // whose words are about a flag
		form := forms[s.kind()]
		return fmt.Errorf("is %q, not %s such as %s", text, form.name, strings.Trim(form.example, `"`))
	}
	return nil
}

// texts are the value as text; that of a list has one for each element.
func (s *setting) texts() []string { return textsIn(s.flag.Value) }

func textsIn(value pflag.Value) []string {
	if list, is := value.(pflag.SliceValue); is {
		return list.GetSlice()
	}
	return []string{value.String()}
}

// setTexts is the reverse of texts.
func (s *setting) setTexts(texts []string) error {
	if list, is := s.flag.Value.(pflag.SliceValue); is {
		return list.Replace(texts)
	}
	return s.flag.Value.Set(texts[0])
}

// literal is the value as a file has it.
func (s *setting) literal() string {
	switch s.kind() {
	case "string":
		return quote(s.flag.Value.String())
	case "duration":
		return quote(shortened(s.flag.Value.String()))
	case "stringArray", "stringSlice":
		texts := s.texts()
		quoted := make([]string, len(texts))
		for i, text := range texts {
			quoted[i] = quote(text)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	default:
		return s.flag.Value.String()
	}
}

// quote writes a text as a basic string of TOML: JSON's, but for one character.
func quote(text string) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) //nolint:errchkjson // a string has a form, and a buffer takes it
	return strings.ReplaceAll(strings.TrimSuffix(out.String(), "\n"), "\x7f", `\u007f`)
}

// shortened is a duration without the zeros at its end: 1m, not 1m0s.
func shortened(duration string) string {
	if short, has := strings.CutSuffix(duration, "m0s"); has {
		duration = short + "m"
	}
	if short, has := strings.CutSuffix(duration, "h0m"); has {
		duration = short + "h"
	}
	return duration
}

// kindOf is what people call a value of a file.
func kindOf(value any) string {
	switch v := value.(type) {
	case string:
		return "a string"
	case int64:
		return "a whole number"
	case float64:
		return "a number with a fraction"
	case bool:
		return "a boolean"
	case []any:
		if _, ok := textsOf(v); !ok {
			return "a list of other things"
		}
		return "a list of strings"
	case map[string]any:
		return "a table"
	default:
		return "a date or time"
	}
}

// textsOf a list of a file that holds nothing else.
func textsOf(list []any) ([]string, bool) {
	texts := make([]string, 0, len(list))
	for _, element := range list {
		text, ok := element.(string)
		if !ok {
			return nil, false
		}
		texts = append(texts, text)
	}
	return texts, true
}
