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
)

// maxFile is how large a configuration file can be, in bytes.
const maxFile = 256 << 10

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
	var values map[string]any
	if err := toml.Unmarshal(data, &values); err != nil {
		wrong := &wrongLine{1, err.Error()}
		var syntax *toml.DecodeError
		if errors.As(err, &syntax) {
			wrong.line, _ = syntax.Position()
		}
		wrong.text = strings.TrimPrefix(wrong.text, "toml: ")
		return nil, wrong
	}
	r := &reader{data: data, line: 1, values: values}
	r.parser.Reset(data)
	for r.parser.NextExpression() {
		r.take(r.parser.Expression())
	}
	return r.entries, nil // what the decoder took has no mistakes
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

// takeValue tells of a key, or of those of a table that is written on one line.
func (r *reader) takeValue(table []string, node *unstable.Node) {
	path := r.path(table, node)
	r.tell(path)
	if node.Value().Kind != unstable.InlineTable {
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

// spelled is a name as it stands in a key: in quotes where it needs them.
func spelled(name string) string {
	if bare.MatchString(name) {
		return name
	}
	return strconv.Quote(name)
}
