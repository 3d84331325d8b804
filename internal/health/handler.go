// SPDX-License-Identifier: Apache-2.0

// Package health answers the probes: which part is not ready, and why.
package health

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/go-logr/logr"
)

// Check tells whether a part is ready. The error says why it is not, for a person; it is
// shown to whoever asks, so it holds no secret. It ends when its context does.
type Check func(ctx context.Context) error

// Alive is the Check of what is well as long as it answers.
func Alive(context.Context) error { return nil }

// checkWait bounds how long a part may take to answer: less than the second that a kubelet waits
// by default, so that it gets the answer.
const checkWait = 700 * time.Millisecond

// errSlow is what is wrong with a part that took longer.
var errSlow = errors.New("has not answered yet")

// Handler answers for all of its parts at its root, and for one below it, by name. It
// takes what Kubernetes' own servers take: ?verbose lists the parts also when all is well,
// ?exclude=PART leaves one out. Unlike those it says the reason: a probe that only fails
// sends people to the log for what the answer has room for.
type Handler struct {
	log    logr.Logger
	names  []string
	checks map[string]Check

	mu sync.Mutex
	// failing are the parts that failed when they were last asked.
	failing map[string]bool
}

// New makes a Handler of parts by their names. The log is told when a part begins to
// fail, and when it is ready again.
func New(log logr.Logger, checks map[string]Check) *Handler {
	return &Handler{log: log, names: slices.Sorted(maps.Keys(checks)), checks: checks, failing: map[string]bool{}}
}

// ServeHTTP answers 200 where all is well and 500 where it is not, both in plain text.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	names, query := h.names, r.URL.Query()
	one := strings.Trim(r.URL.Path, "/")
	if one != "" {
		if _, known := h.checks[one]; !known {
			http.Error(w, fmt.Sprintf("there is no part %q; the parts are %s", clip(one), strings.Join(h.names, ", ")), http.StatusNotFound)
			return
		}
		names = []string{one}
	}
	var text strings.Builder
	code, verdict := http.StatusOK, "all parts are ready"
	asked := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(query["exclude"], name) })
	answers := h.ask(r.Context(), asked)
	for _, name := range names {
		at := slices.Index(asked, name)
		if at < 0 {
			fmt.Fprintf(&text, "[+]%s excluded\n", name)
			continue
		}
		err := answers[at]
		if r.Context().Err() == nil { // else whoever asked has gone, and no part has failed
			h.note(name, err)
		}
		if err != nil {
			fmt.Fprintf(&text, "[-]%s failed: %s\n", name, clip(oneLine(err)))
			code, verdict = http.StatusInternalServerError, "not ready"
			continue
		}
		fmt.Fprintf(&text, "[+]%s ok\n", name)
	}
	body := text.String() + verdict + "\n"
	if code == http.StatusOK && !query.Has("verbose") {
		body = "ok"
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(body)) // whoever asked may have gone
}

// ask has parts checked side by side, and gives what each answers.
func (h *Handler) ask(ctx context.Context, names []string) []error {
	answers := make([]error, len(names))
	var asking sync.WaitGroup
	for i, name := range names {
		asking.Go(func() { answers[i] = bounded(ctx, h.checks[name]) })
	}
	asking.Wait()
	return answers
}

// bounded answers for a check that does not within checkWait.
func bounded(ctx context.Context, check Check) error {
	ctx, cancel := context.WithTimeout(ctx, checkWait)
	defer cancel()
	answer := make(chan error, 1)
	go func() { answer <- check(ctx) }()
	select {
	case err := <-answer:
		if err != nil && ctx.Err() != nil {
			return errSlow // it was told to end
		}
		return err
	case <-ctx.Done():
		return errSlow
	}
}

// note tells the log of what is new.
func (h *Handler) note(name string, err error) {
	h.mu.Lock()
	before := h.failing[name]
	h.failing[name] = err != nil
	h.mu.Unlock()
	switch {
	case err != nil && !before:
		h.log.Info("Not ready", "part", name, "reason", err.Error())
	case err == nil && before:
		h.log.Info("Ready again", "part", name)
	}
}

// oneLine is an error's text without line breaks.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// maxReason is the longest reason, in bytes.
const maxReason = 1024

// clip cuts s to maxReason, at a character's border.
func clip(s string) string {
	const ellipsis = "…"
	if len(s) <= maxReason {
		return s
	}
	end := maxReason - len(ellipsis)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}
