// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"runtime"
	"time"
)

// Worker is a program that was started and waits for its standard input. One of Finish and Stop is to be called: until then
// there is a process, and a thread that it dies with.
type Worker struct {
	process *process
	ended   chan struct{}
}

// Start starts a program and leaves its standard input open; Command.Stdin is not looked at. The errors are those of Run
// that come before a program is started.
func (s *Sandbox) Start(c Command, l Limits) (*Worker, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	if err := l.validate(); err != nil {
		return nil, err
	}
	w := &Worker{ended: make(chan struct{})}
	started := make(chan error)
	go w.live(s, c, l, started)
	if err := <-started; err != nil {
		return nil, err
	}
	return w, nil
}

// live starts the process and stays until it is gone.
func (w *Worker) live(s *Sandbox, c Command, l Limits, started chan<- error) {
	// The process dies with the thread that starts it: see the package comment.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var err error
	w.process, err = s.start(c, l)
	started <- err
	if err != nil {
		return
	}
	w.process.wait()
	close(w.ended)
}

// Ended is closed when the program is gone, which it may be before it was sent anything.
func (w *Worker) Ended() <-chan struct{} { return w.ended }

// Finish sends the program its standard input, then end of file, and is in all else as Run from there on. The end of
// ctx ends the program. It may be called once.
func (w *Worker) Finish(ctx context.Context, stdin []byte) (Result, error) {
	return w.finish(ctx, time.Now(), stdin)
}

func (w *Worker) finish(ctx context.Context, began time.Time, stdin []byte) (Result, error) {
	defer w.process.close()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = w.process.stdin.Write(stdin) // it fails where the program does not read it, which it need not
		_ = w.process.stdin.Close()
	}()
	select {
	case <-w.ended:
	case <-ctx.Done():
		_ = w.process.group.end(causeContext)
		<-w.ended
	}
	_ = w.process.stdin.Close() // ends a write to whoever left the group
	<-sent
	return w.process.outcome(ctx, began)
}

// Stop ends the program and returns when it is gone. After Finish it does nothing.
func (w *Worker) Stop() {
	_ = w.process.group.end(causeContext)
	<-w.ended
	w.process.close()
}
