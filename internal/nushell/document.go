// SPDX-License-Identifier: Apache-2.0

package nushell

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// maxDepth is how deep an answer may be nested: more than twice what the protocol needs.
const maxDepth = 8

// parseDocument reads exactly one JSON document and refuses what encoding/json lets through: duplicate keys, text that is
// not UTF-8, a second document. Objects become map[string]any, arrays []any, numbers json.Number. Errors are for people.
func parseDocument(text []byte) (any, error) {
	// The end of the line must not hide that a document was cut in the middle of a string.
	text = bytes.TrimSpace(text)
	switch {
	case len(text) == 0:
		return nil, errors.New("it printed nothing")
	case !utf8.Valid(text):
		return nil, errors.New("its answer is not UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	document, err := parseValue(decoder, 0)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, errors.New("its answer ends in the middle of a JSON document")
	case err != nil:
		return nil, syntaxProblem(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("it printed more than one JSON document")
	}
	return document, nil
}

// syntaxProblem words an error of encoding/json, which may quote a character of the answer, without that character.
func syntaxProblem(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("its answer is not JSON (at byte %d)", syntax.Offset)
	}
	return err
}

func parseValue(decoder *json.Decoder, depth int) (any, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	delimiter, nested := token.(json.Delim)
	switch {
	case !nested:
		return token, nil
	case depth == maxDepth:
		return nil, fmt.Errorf("its answer is nested deeper than %d levels", maxDepth)
	case delimiter == '{':
		return parseObject(decoder, depth+1)
	default:
		return parseArray(decoder, depth+1)
	}
}

func parseObject(decoder *json.Decoder, depth int) (any, error) {
	object := map[string]any{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		key, isText := token.(string)
		if !isText {
			return nil, errors.New("its answer is not JSON (a key that is no string)")
		}
		if _, twice := object[key]; twice {
			return nil, fmt.Errorf("its answer has the key %s twice", quoted(key))
		}
		value, err := parseValue(decoder, depth)
		if err != nil {
			return nil, err
		}
		object[key] = value
	}
	_, err := decoder.Token()
	return object, err
}

func parseArray(decoder *json.Decoder, depth int) (any, error) {
	array := []any{}
	for decoder.More() {
		value, err := parseValue(decoder, depth)
		if err != nil {
			return nil, err
		}
		array = append(array, value)
	}
	_, err := decoder.Token()
	return array, err
}
