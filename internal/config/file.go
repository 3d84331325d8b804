// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"provisioning.dev/extension-operator/internal/extension"
)

const (
	// maxFile is how large a configuration file can be, in bytes.
	maxFile = 256 << 10
	// maxNames is how many names a key can have; no setting has more than three. What a file
	// costs grows with its keys times their names.
	maxNames = 8
	// maxKeys is how many keys and tables a file can have. What the decoder takes grows with
	// their square.
	maxKeys = 4096
	// maxName is how much of a name is told, in bytes. No name of a setting is as long.
	maxName = 64
	// maxSyntax is how much is told of why a file is no TOML, in bytes.
	maxSyntax = 512
)

// readFile reads a configuration file. The error says what is wrong with it, and what to do.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errors.New("there is no such file; name another with --config, or leave it out")
	case err != nil:
		return nil, fmt.Errorf("cannot be read: %w", err)
	case info.IsDir():
		return nil, errors.New("is a folder; name the file in it")
	case !info.Mode().IsRegular():
		return nil, errors.New("is no regular file; write the settings to one")
	}
	in, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w; make it readable to the manager's user", err)
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot be read: %w", err)
	case len(data) > maxFile:
		return nil, fmt.Errorf("has over %d bytes; a configuration file has no use for so many", maxFile)
	}
	return data, nil
}

// entry is a line of a file that says something.
type entry struct {
	key  string
	line int
	// value is a string, int64, float64, bool, []any or a time. It is map[string]any for a
	// table, whose own entries follow.
	value any
}

// wrongLine is why a file cannot be read beyond a line.
type wrongLine struct {
	line int
	text string
}

// parse reads a file as TOML, in the order of its lines.
func parse(data []byte) ([]entry, *wrongLine) {
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // some editors begin a file with it
	if at := invalidAt(data); at >= 0 {
		return nil, &wrongLine{1 + bytes.Count(data[:at], []byte("\n")), "is not UTF-8; save it as UTF-8"}
	}
	if wrong := tooMuch(data); wrong != nil {
		return nil, wrong
	}
	var values map[string]any
	if err := toml.Unmarshal(data, &values); err != nil {
		wrong := &wrongLine{1, err.Error()}
		var syntax *toml.DecodeError
		if errors.As(err, &syntax) {
			wrong.line, _ = syntax.Position()
		}
		wrong.text = extension.Clip(strings.TrimPrefix(wrong.text, "toml: "), maxSyntax)
		return nil, wrong
	}
	r := &reader{data: data, line: 1, values: values}
	r.parser.Reset(data)
	for r.parser.NextExpression() {
		r.take(r.parser.Expression())
	}
	return r.entries, nil // what the decoder took has no mistakes
}

// tooMuch refuses what no settings need, before the decoder makes a table of each name. What is
// no TOML is for the decoder to tell.
func tooMuch(data []byte) *wrongLine {
	var parser unstable.Parser
	parser.Reset(data)
	var keys int
	for parser.NextExpression() {
		if name, why := excess(parser.Expression(), &keys); name != nil {
			return &wrongLine{1 + bytes.Count(data[:name.Raw.Offset], []byte("\n")), why}
		}
	}
	return nil
}

// excess is the first name that is too many in a node or in the values in it, and why; nil for
// none. It counts keys.
func excess(node *unstable.Node, keys *int) (name *unstable.Node, why string) {
	switch node.Kind {
	case unstable.Table, unstable.ArrayTable, unstable.KeyValue:
		*keys++
		names := 0
		for parts := node.Key(); parts.Next(); {
			names++
			if names > maxNames {
				return parts.Node(), fmt.Sprintf("a key has more than %d names; no setting has more than three", maxNames)
			}
			if *keys > maxKeys {
				return parts.Node(), fmt.Sprintf("is after %d keys; a configuration file has no use for so many", maxKeys)
			}
		}
		if node.Kind == unstable.KeyValue {
			return excess(node.Value(), keys)
		}
	case unstable.InlineTable, unstable.Array:
		for children := node.Children(); children.Next(); {
			if name, why := excess(children.Node(), keys); name != nil {
				return name, why
			}
		}
	default: // has no keys
	}
	return nil, ""
}

// invalidAt is where the first byte is that is no UTF-8; -1 for nowhere.
func invalidAt(data []byte) int {
	for at := 0; at < len(data); {
		r, size := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && size == 1 {
			return at
		}
		at += size
	}
	return -1
}

// reader places what the decoder has read.
type reader struct {
	parser unstable.Parser
	data   []byte
	// offset that was reached, and its line.
	offset, line int
	values       map[string]any
	// table that keys belong to; inList when it is one of a list, whose keys are not told.
	table   []string
	inList  bool
	entries []entry
}

func (r *reader) take(expression *unstable.Node) {
	switch expression.Kind {
	case unstable.Table, unstable.ArrayTable:
		r.table = r.path(nil, expression)
		r.inList = expression.Kind == unstable.ArrayTable
		r.tell(r.table)
	case unstable.KeyValue:
		if !r.inList {
			r.takeValue(r.table, expression)
		}
	default: // a comment
	}
}

// takeValue tells of a key, or of those of a table that is written on one line, down to where no
// setting lies.
func (r *reader) takeValue(table []string, node *unstable.Node) {
	path := r.path(table, node)
	r.tell(path)
	if node.Value().Kind != unstable.InlineTable || len(path) > maxNames {
		return
	}
	for children := node.Value().Children(); children.Next(); {
		r.takeValue(path, children.Node())
	}
}

// path of a node's key below a table. It comes to the key's line.
func (r *reader) path(table []string, node *unstable.Node) []string {
	path := append([]string{}, table...)
	for keys := node.Key(); keys.Next(); {
		path = append(path, string(keys.Node().Data))
		to := int(keys.Node().Raw.Offset)
		r.line += bytes.Count(r.data[r.offset:to], []byte("\n"))
		r.offset = to
	}
	return path
}

func (r *reader) tell(path []string) {
	names := make([]string, len(path))
	var value any = r.values
	for i, name := range path {
		names[i] = spelled(name)
		if table, is := value.(map[string]any); is {
			value = table[name]
		}
	}
	r.entries = append(r.entries, entry{key: strings.Join(names, "."), line: r.line, value: value})
}

var bare = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// spelled is a name as it stands in a key: in quotes where it needs them, and not to its end
// where it is long.
func spelled(name string) string {
	name = extension.Clip(name, maxName)
	if bare.MatchString(name) {
		return name
	}
	return strconv.Quote(name)
}
