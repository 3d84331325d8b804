// SPDX-License-Identifier: Apache-2.0

package load

import (
	"strings"

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
	if inputDigest(req.Plan, tools) != req.InputDigest {
		return replaced(nil)
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
		if out, known := l.recall(string(t.InputDigest), t.Plan.Root().Key); known {
			t.out = out
			return
		}
	}
	defer l.slots.ask(string(t.InputDigest), t.Namespace)()
	t.out = <-l.fly(t.Request, func() outcome { return l.run(t.Request) })
}

// maxReason is how much of a dependency's own message is told of it, in bytes.
const maxReason = 400

// failed is the Fault of the tasks that failed, or nil: of those that will fail again
// the same way, if there are any, else of those that may pass.
func failed(tasks []*task) error {
	var faults []*extension.Fault
	var keys []extension.Key
	for _, t := range tasks {
		if t.blocked || t.out.err == nil {
			continue
		}
		fault := extension.AsFault(t.out.err)
		if len(faults) > 0 && faults[0].Transient != fault.Transient {
			if fault.Transient {
				continue
			}
			faults, keys = nil, nil
		}
		faults, keys = append(faults, fault), append(keys, t.Plan.Root().Key)
	}
	if len(faults) == 0 {
		return nil
	}
	f := *faults[0]
	f.Message = "a dependency failed: " + extension.Clip(f.Message, maxReason)
	if len(keys) > 1 {
		names := make([]string, 0, len(keys))
		for _, key := range keys[1:] {
			names = append(names, key.String())
		}
		f.Message += "; so did " + strings.Join(names, ", ")
	}
	f.Dependencies = make(map[extension.Key]string, len(keys))
	for i, key := range keys {
		f.Dependencies[key] = extension.Clip(faults[i].Message, maxReason)
	}
	return &f
}
