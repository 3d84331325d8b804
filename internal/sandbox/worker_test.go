// SPDX-License-Identifier: Apache-2.0

//go:build linux

package sandbox_test

import (
	"context"
	"errors"
	"os/exec"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"go.uber.org/goleak"

	"provisioning.dev/extension-operator/internal/sandbox"
)

// worker starts a captive in advance; the test fails if anything is left of it after use.
func worker(t *testing.T, use func(g *WithT, w *sandbox.Worker), steps ...string) {
	t.Helper()
	for name, with := range map[string]string{"with helper": helper, "without helper": ""} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			box := newBox(t, with)
			warmUp(g, box)
			routines := goleak.IgnoreCurrent()
			descriptors, children := openDescriptors(g), childProcesses(g)
			w, err := box.Start(held(steps...), roomy())
			g.Expect(err).NotTo(HaveOccurred())
			use(g, w)
			g.Expect(w.Ended()).To(BeClosed())
			w.Stop() // once more does nothing
			g.Expect(openDescriptors(g)).To(Equal(descriptors), "descriptors of this process")
			g.Expect(childProcesses(g)).To(Equal(children), "children of this process")
			g.Expect(goleak.Find(routines)).To(Succeed())
		})
	}
}

func TestAWorkerAnswersWhatItIsSent(t *testing.T) {
	worker(t, func(g *WithT, w *sandbox.Worker) {
		g.Consistently(w.Ended(), 100*time.Millisecond).ShouldNot(BeClosed(), "it waits")
		result, err := w.Finish(context.Background(), []byte("hello"))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(result.Stdout)).To(Equal("ready hello"))
		g.Expect(result.ExitCode).To(BeZero())
		g.Expect(result.Wall).To(BeNumerically("<", 100*time.Millisecond), "the wait is not counted")
	}, "out=ready ", "cat")
}

func TestAWorkerIsSentMoreThanAPipeHolds(t *testing.T) {
	much := make([]byte, 900<<10)
	worker(t, func(g *WithT, w *sandbox.Worker) {
		result, err := w.Finish(context.Background(), much)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(result.Stdout).To(HaveLen(len(much)))
	}, "cat")
}

func TestAWorkerThatIsStopped(t *testing.T) {
	worker(t, func(_ *WithT, w *sandbox.Worker) { w.Stop() }, "cat")
}

func TestAWorkerThatDoesNotWait(t *testing.T) {
	worker(t, func(g *WithT, w *sandbox.Worker) {
		g.Eventually(w.Ended()).Should(BeClosed())
		result, err := w.Finish(context.Background(), make([]byte, 1<<20))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(result.ExitCode).To(Equal(3))
	}, "exit=3")
}

func TestTheContextEndsAWorkersWork(t *testing.T) {
	worker(t, func(g *WithT, w *sandbox.Worker) {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		_, err := w.Finish(ctx, make([]byte, 1<<20)) // which is not read
		var ended *sandbox.EndedError
		g.Expect(errors.As(err, &ended)).To(BeTrue(), "%v", err)
		g.Expect(errors.Is(err, context.DeadlineExceeded)).To(BeTrue())
	}, "sleep=1000s")
}

func TestAWorkerThatASignalEnds(t *testing.T) {
	worker(t, func(g *WithT, w *sandbox.Worker) {
		result, err := w.Finish(context.Background(), nil)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(result.Signal).To(Equal(syscall.SIGSEGV))
	}, "cat", "signal=SEGV")
}

func TestAWorkerThatCannotBeStarted(t *testing.T) {
	g := NewWithT(t)
	gone, err := sandbox.New(sandbox.Require, "/gone/extension-sandbox")
	g.Expect(err).NotTo(HaveOccurred())
	routines := goleak.IgnoreCurrent()
	for kind, start := range map[error]func() (*sandbox.Worker, error){
		&sandbox.UnavailableError{}: func() (*sandbox.Worker, error) { return gone.Start(held("cat"), roomy()) },
		&sandbox.InvalidError{}:     func() (*sandbox.Worker, error) { return gone.Start(sandbox.Command{Path: "x"}, roomy()) },
	} {
		w, err := start()
		g.Expect(w).To(BeNil())
		g.Expect(err).To(BeAssignableToTypeOf(kind))
	}
	_, err = gone.Start(held("cat"), sandbox.Limits{})
	g.Expect(err).To(BeAssignableToTypeOf(&sandbox.InvalidError{}))
	g.Expect(goleak.Find(routines)).To(Succeed())
}

// A program of a thread that ended would be killed with it: each worker keeps its own.
func TestWorkersOutliveWhoStartedThem(t *testing.T) {
	g := NewWithT(t)
	box := newBox(t, helper)
	started := make(chan *sandbox.Worker)
	for range 4 {
		go func() {
			w, err := box.Start(held("cat"), roomy())
			g.Expect(err).NotTo(HaveOccurred())
			started <- w
		}()
	}
	var all []*sandbox.Worker
	for range 4 {
		all = append(all, <-started)
	}
	g.Expect(exec.Command("/bin/true").Run()).To(Succeed())
	for _, w := range all {
		result, err := w.Finish(t.Context(), []byte("x"))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(result.Stdout)).To(Equal("x"))
	}
}
