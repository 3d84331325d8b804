// SPDX-License-Identifier: Apache-2.0

package docs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
)

// Session is what a reader of one document types into one shell.
type Session struct{ Document, Commands, Shown string }

// Sessions are those of the blocks with a word. What an earlier block has said to the letter is not said again. Of each pair in
// instead, a reader writes the second where the page has the first.
func Sessions(tree fs.FS, word string, instead ...string) ([]Session, error) {
	blocks, err := Blocks(tree)
	if err != nil {
		return nil, err
	}
	said := map[string]bool{}
	var found []Session
	for _, b := range blocks {
		if !slices.Contains(b.Words, word) || said[b.Text] {
			continue
		}
		said[b.Text] = true
		if len(found) == 0 || found[len(found)-1].Document != b.Document {
			found = append(found, Session{Document: b.Document})
		}
		last := &found[len(found)-1]
		last.Commands += strings.NewReplacer(instead...).Replace(b.Text)
		last.Shown += b.Shown
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no block of a document has the word %q", word)
	}
	return found, nil
}

// Run has a shell do it in a folder, ends what that has left running in the background, and returns what was printed. It fails where
// a command does, or where what the page shows was not printed.
func (s Session) Run(ctx context.Context, dir string, environ ...string) (string, error) {
	file, err := os.CreateTemp("", "session-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.Remove(file.Name()) }()
	cmd := exec.CommandContext(ctx, "sh", "-euc", s.Commands)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), environ...)
	// A file, as what goes on in the background would keep a pipe open.
	cmd.Stdout, cmd.Stderr = file, file
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err := cmd.Start(); err != nil {
		return "", errors.Join(err, file.Close())
	}
	runErr := cmd.Wait()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) // as a rule nothing is left
	text, err := os.ReadFile(file.Name())
	if err := errors.Join(err, file.Close()); err != nil {
		return "", err
	}
	if runErr != nil {
		return string(text), fmt.Errorf("%s: %w:\n%s\n%s", s.Document, runErr, s.Commands, text)
	}
	return string(text), s.shows(string(text))
}

// age is the last column of what kubectl prints, which is another one each time.
var age = regexp.MustCompile(` ([0-9]+[smhd])+$`)

// shows says which line that the page shows was not printed, with any number of spaces.
func (s Session) shows(printed string) error {
	dense := func(line string) string { return strings.Join(strings.Fields(line), " ") }
	var lines []string
	for line := range strings.Lines(printed) {
		lines = append(lines, age.ReplaceAllString(dense(line), ""))
	}
	for line := range strings.Lines(s.Shown) {
		if !slices.Contains(lines, age.ReplaceAllString(dense(line), "")) {
			return fmt.Errorf("%s shows what was not printed: %s\nbut:\n%s", s.Document, line, printed)
		}
	}
	return nil
}
