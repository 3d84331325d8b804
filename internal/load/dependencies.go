// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"provisioning.dev/extension-operator/internal/extension"
)

// task is one member of a plan on its way to be loaded.
type task struct {
	Request
	// before are the tasks of those that it depends on.
	before []*task
	// done is closed when out is set, which stays empty where one before it failed.
	done    chan struct{}
	out     outcome
	blocked bool
}

// dependencies loads every member of a plan but the root, each as the root of its
// own part of the plan and after those that it depends on; what does not depend on
// each other is loaded side by side. The error is a Fault that tells which failed,
// and why the first did.
func (l *Loader) dependencies(req Request) error {
	if req.Plan.Alone || len(req.Plan.Members) < 2 {
		return nil
	}
	tools, err := l.opts.Runner.Toolchain(l.ctx)
	if err != nil {
		return err
	}
	tasks := divide(req, tools)
	for _, t := range tasks {
		go l.perform(t)
	}
	for _, t := range tasks {
		<-t.done
	}
	return failed(tasks)
}

// divide makes a task of each member but the root, in load order.
func divide(req Request, tools extension.Toolchain) []*task {
	parts := req.Plan.Parts()
	tasks := make([]*task, 0, len(parts)-1)
	of := make(map[extension.Key]*task, len(parts))
	for _, part := range parts[:len(parts)-1] {
		t := &task{done: make(chan struct{}), Request: Request{
			Plan: part, InputDigest: inputDigest(part, tools), Fresh: req.Fresh,
			Namespace: req.Namespace, Extension: req.Extension, dependent: req.Plan.Root().Key,
		}}
		for _, m := range part.Members[:len(part.Members)-1] {
			t.before = append(t.before, of[m.Key])
		}
		tasks = append(tasks, t)
		of[part.Root().Key] = t
	}
	return tasks
}

func (l *Loader) perform(t *task) {
	defer close(t.done)
	for _, on := range t.before {
		<-on.done
		if on.blocked || on.out.err != nil {
			t.blocked = true
			return
		}
	}
	if !t.Fresh {
		if out, known := l.memo.Get(string(t.InputDigest)); known {
			t.out = out
			return
		}
	}
	t.out = <-l.fly(string(t.InputDigest), t.Fresh, func() outcome { return l.run(t.Request) })
}

// maxReason is how much of a dependency's own message is told of it, in bytes.
const maxReason = 400

// failed is the Fault of the tasks that failed, or nil. One that will fail again
// the same way goes before one that may pass.
func failed(tasks []*task) error {
	var first *extension.Fault
	var keys []extension.Key
	for _, t := range tasks {
		err := t.out.err
		switch {
		case t.blocked || err == nil:
			continue
		case errors.Is(err, context.Canceled):
			return err
		}
		fault := extension.AsFault(err)
		if first == nil || first.Transient && !fault.Transient {
			first = fault
		}
		keys = append(keys, t.Plan.Root().Key)
	}
	if first == nil {
		return nil
	}
	f := *first
	f.Message = "a dependency failed: " + clip(first.Message, maxReason)
	if len(keys) > 1 {
		names := make([]string, len(keys))
		for i, key := range keys {
			names[i] = key.String()
		}
		f.Message = fmt.Sprintf("%d dependencies failed (%s); the first: %s", len(keys), strings.Join(names, ", "), clip(first.Message, maxReason))
	}
	f.Dependencies = keys
	return &f
}

// clip cuts s to at most limit bytes, at a character's border.
func clip(s string, limit int) string {
	const ellipsis = "…"
	if len(s) <= limit {
		return s
	}
	end := limit - len(ellipsis)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}
