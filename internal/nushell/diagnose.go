// SPDX-License-Identifier: Apache-2.0

package nushell

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"provisioning.dev/extension-operator/internal/sandbox"
)

const (
	// maxFiles is how many files of an extension are looked at for errors, maxErrors how many errors nu lists.
	maxFiles  = 32
	maxErrors = "100"
	// maxSource is the largest file that is looked at, in bytes.
	maxSource = 1 << 20
)

// followUp is what nu adds behind the real error of a constant; it tells nothing.
const followUp = "Internal error."

// spanError is an error of nu's list. start is in bytes: below the length of the first file that the probe uses it lies in
// that file, above in one that came later.
type spanError struct {
	message    string
	start, end int
}

// source is one file of the extension.
type source struct {
	// path is the file's, shown is the one people know.
	path, shown string
	text        []byte
}

// diagnose lists what is wrong with the root's files after nu refused them: the error that nu named on its standard error
// first, with its code, then the others of each file that the module uses. nu's own list has spans without names, counted
// on over all files in the order of use; so each file is probed alone, and counts where its errors stand, at one distance,
// in the list of the module. The CLI does the same in nushell/cli/diagnose.nu. The error is one of the sandbox, and no function of the extension.
func (l *load) diagnose(ctx context.Context, refused sandbox.Result) ([]diagnostic, error) {
	sources, err := l.sources()
	if err != nil {
		return nil, &sandbox.SystemError{Op: "read the stage", Err: err}
	}
	module, err := l.probe(ctx, l.folder)
	if err != nil {
		return nil, err
	}
	var found []diagnostic
	left := module
	for _, s := range sources {
		if line := invalidLine(s.text); line > 0 {
			found = append(found, diagnostic{File: s.shown, Line: line, Column: 1, Message: "the file is not UTF-8"})
			continue
		}
		own, there, err := l.errorsOf(ctx, s, module, left)
		if err != nil {
			return nil, err
		}
		left = slices.DeleteFunc(slices.Clone(left), func(e spanError) bool { return slices.Contains(there, e) })
		for _, e := range own {
			found = append(found, s.diagnostic(e))
		}
	}
	return l.withFirst(parsePlainError(string(refused.Stderr)), found), nil
}

// errorsOf are the errors of a file, counted from its beginning, and where they stand among those of the module that no
// other file has taken; both are empty for a file that the module does not use.
func (l *load) errorsOf(ctx context.Context, s source, module, left []spanError) (own, there []spanError, err error) {
	inFile := func(errors []spanError) []spanError {
		return slices.DeleteFunc(slices.Clone(errors), func(e spanError) bool { return e.end > len(s.text) })
	}
	if s.path == filepath.Join(l.folder, "mod.nu") {
		own = inFile(module)
		return own, own, nil
	}
	if len(left) == 0 {
		return nil, nil, nil
	}
	probed, err := l.probe(ctx, s.path)
	if err != nil {
		return nil, nil, err
	}
	own = inFile(probed)
	if there = among(own, left); there == nil {
		return nil, nil, nil
	}
	return own, there, nil
}

// sources reads the root's Nushell files, mod.nu first, then by name.
func (l *load) sources() ([]source, error) {
	var found []source
	err := filepath.WalkDir(l.folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || filepath.Ext(path) != ".nu" {
			return err
		}
		info, err := entry.Info()
		if err != nil || info.Size() > maxSource {
			return err
		}
		shown, _ := l.shownPath(path)
		found = append(found, source{path: path, shown: shown})
		return nil
	})
	if err != nil {
		return nil, err
	}
	main := filepath.Join(l.folder, "mod.nu")
	slices.SortStableFunc(found, func(a, b source) int {
		switch {
		case a.path == main:
			return -1
		case b.path == main:
			return 1
		default:
			return strings.Compare(a.path, b.path)
		}
	})
	found = found[:min(len(found), maxFiles)]
	for i := range found {
		if found[i].text, err = os.ReadFile(found[i].path); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// probe has nu list the errors of a module. Spans are counted from the beginning of its first file.
func (l *load) probe(ctx context.Context, module string) ([]spanError, error) {
	lines, err := prelude(l.dir, module)
	if err != nil {
		return nil, err
	}
	program := lines + "module extension { export use $EXTENSION * }\n"
	command := l.command("--ide-check", maxErrors, "/dev/stdin")
	command.Stdin = []byte(program)
	result, err := l.runner.options.Sandbox.Run(ctx, command, l.runner.options.Limits)
	var limit *sandbox.LimitError
	if err != nil && !errors.As(err, &limit) {
		return nil, err
	}
	var found []spanError
	for line := range bytes.Lines(result.Stdout) {
		var one struct {
			Type, Severity, Message string
			Span                    struct{ Start, End int }
		}
		if json.Unmarshal(line, &one) != nil || one.Type != "diagnostic" || one.Severity != "Error" {
			continue
		}
		e := spanError{l.firstLine(one.Message), one.Span.Start - len(program), one.Span.End - len(program)}
		if e.message != followUp && e.start >= 0 && !slices.Contains(found, e) {
			found = append(found, e)
		}
	}
	return found, nil
}

// firstLine is what may be shown of a message of nu's list: an error of a constant is a whole report, with the code in its
// first line and then lines of files. The stage's own name differs from load to load.
func (l *load) firstLine(message string) string {
	line, _, _ := strings.Cut(message, "\n")
	return strings.ReplaceAll(strings.TrimPrefix(line, "Error: "), l.dir, "<stage>")
}

// among finds the errors of a file in the list of the module, all at one distance; nil means that it does not use the file.
func among(own, module []spanError) []spanError {
	if len(own) == 0 {
		return nil
	}
	for _, candidate := range module {
		distance := candidate.start - own[0].start
		moved := make([]spanError, len(own))
		for i, e := range own {
			moved[i] = spanError{e.message, e.start + distance, e.end + distance}
		}
		missing := func(e spanError) bool { return !slices.Contains(module, e) }
		if distance > 0 && !slices.ContainsFunc(moved, missing) {
			return moved
		}
	}
	return nil
}

func (s source) diagnostic(e spanError) diagnostic {
	before := s.text[:min(e.start, len(s.text))]
	lineStart := bytes.LastIndexByte(before, '\n') + 1
	return diagnostic{
		File:    s.shown,
		Line:    1 + bytes.Count(before, []byte("\n")),
		Column:  1 + utf8.RuneCount(before[lineStart:]),
		Message: e.message,
	}
}

// invalidLine is the first line of a text that is not UTF-8, or 0.
func invalidLine(text []byte) int {
	number := 0
	for line := range bytes.Lines(text) {
		number++
		if !utf8.Valid(line) {
			return number
		}
	}
	return 0
}

// withFirst puts the error that nu named in front. Where it is one of those found, that one takes over its code and what
// its label adds; an error in another file is named by its place and code alone.
func (l *load) withFirst(e plainError, found []diagnostic) []diagnostic {
	if e.file == "" {
		return found
	}
	named := diagnostic{Line: e.line, Column: e.column, Code: e.code, Message: l.firstLine(e.message())}
	if e.file == "source" {
		named.File = programFile
		return append([]diagnostic{named}, found...)
	}
	shown, own := l.shownPath(e.file)
	named.File = shown
	if !own {
		named.Message = ""
		return append(found, named)
	}
	same := func(d diagnostic) bool {
		return d.File == shown && d.Line == e.line && (d.Message == e.title || d.Message == e.code)
	}
	if i := slices.IndexFunc(found, same); i >= 0 {
		if found[i].Message == e.title {
			named.Column = found[i].Column
		}
		found = slices.Delete(found, i, i+1)
	}
	return append([]diagnostic{named}, found...)
}

// refused is what is behind the Fault of an extension that does not load, for the log.
func (l *load) refused(result sandbox.Result, diagnostics []diagnostic) error {
	return fmt.Errorf("%d diagnostics; %w", len(diagnostics), l.words(result))
}
