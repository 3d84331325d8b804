// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	. "github.com/onsi/gomega"
	"go.uber.org/goleak"

	"provisioning.dev/extension-operator/internal/extension"
)

// lumberjack's one goroutine stays until the process ends.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("gopkg.in/natefinch/lumberjack%2ev2.(*Logger).millRun"))
}

// ended is a context that has ended already.
func ended(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// disk is an Out that does what a test says.
type disk struct {
	bytes.Buffer
	// fail, where it is set, says how much of a write is kept, and why not all.
	fail   func(text []byte) (int, error)
	closed int
}

func (d *disk) Write(text []byte) (int, error) {
	if d.fail != nil {
		n, err := d.fail(text)
		d.Buffer.Write(text[:n])
		return n, err
	}
	return d.Buffer.Write(text)
}

func (d *disk) Close() error { d.closed++; return nil }

func full([]byte) (int, error) { return 0, syscall.ENOSPC }

// told collects the operator's log.
type told struct {
	mu    sync.Mutex
	lines []string
}

func (o *told) logger() logr.Logger {
	return funcr.New(func(_, args string) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.lines = append(o.lines, args)
	}, funcr.Options{})
}

func (o *told) all() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.lines...)
}

func TestWhatWaitsIsWrittenWhenTheOperatorStops(t *testing.T) {
	g := NewWithT(t)
	out := &disk{}
	l := New(Options{Out: out, Queue: 64, Log: logr.Discard(), Now: time.Now})
	for range 64 {
		l.Loaded(goodLoad)
	}
	g.Expect(out.Len()).To(BeZero(), "nobody has waited for the disk")
	g.Expect(l.Start(ended(t))).To(Succeed())
	g.Expect(strings.Count(out.String(), "\n")).To(Equal(64))
	g.Expect(out.closed).To(Equal(1))
	g.Expect(l.NeedLeaderElection()).To(BeFalse())
}

func TestWhatIsReportedAfterTheStopIsWrittenAtOnce(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "audit.log")
	out, err := Open(path, 1, 1)
	g.Expect(err).NotTo(HaveOccurred())
	l := New(Options{Out: out, Queue: 64, Log: logr.Discard(), Now: time.Now})
	var reporting sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 10 { // before, during and after
		reporting.Go(func() {
			for range 5 {
				l.Loaded(goodLoad)
				cancel()
			}
		})
	}
	g.Expect(l.Start(ctx)).To(Succeed())
	reporting.Wait()
	text, err := os.ReadFile(path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(strings.Count(string(text), "\n")).To(Equal(50))
}

func TestMoreThanThereIsRoomForIsCountedAndTold(t *testing.T) {
	g := NewWithT(t)
	out, said := &disk{}, &told{}
	l := New(Options{Out: out, Queue: 3, Log: said.logger(), Now: time.Now})
	for range 10 {
		l.Loaded(goodLoad)
	}
	g.Expect(l.Start(ended(t))).To(Succeed())
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	g.Expect(lines).To(HaveLen(4))
	g.Expect(l.Lost()).To(BeEquivalentTo(7), "telling of them takes nothing away")
	lost := decode(t, lines[0])
	g.Expect(lost.Verb).To(Equal("lose"))
	g.Expect(lost.RequestURI).To(Equal("/audit"))
	g.Expect(annotation(lost, "lost")).To(Equal("7"))
	g.Expect(lost.ResponseStatus.Code).To(BeEquivalentTo(507))
	g.Expect(lost.ResponseStatus.Message).To(HavePrefix("7 audit events were lost"))
	g.Expect(said.all()).To(ConsistOf(ContainSubstring("Audit events are being lost; loads go on")), "once, not for each")
}

func TestADiskThatHangsHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		release := make(chan struct{})
		out := &disk{fail: func(text []byte) (int, error) {
			<-release
			return len(text), nil
		}}
		l := New(Options{Out: out, Queue: 2, Log: logr.Discard(), Now: time.Now})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { g.Expect(l.Start(ctx)).To(Succeed()) })
		for range 100 {
			l.Loaded(goodLoad)
			synctest.Wait()
		}
		close(release)
		cancel()
		running.Wait()
		g.Expect(strings.Count(out.String(), `"verb":"load"`)).To(Equal(3), "one in the disk's hands, two in the queue")
		g.Expect(out.String()).To(ContainSubstring(`"extensions.provisioning.dev/lost":"97"`))
	})
}

func TestADiskThatFillsUpCostsEventsThatAreToldOfWhenThereIsRoom(t *testing.T) {
	g := NewWithT(t)
	out, said := &disk{}, &told{}
	now := began
	l := New(Options{Out: out, Queue: 100, Log: said.logger(), Now: func() time.Time { return now }})
	// step has the disk behave in a way while n events are written.
	step := func(n int, fail func([]byte) (int, error)) {
		out.fail = fail
		for range n {
			l.Loaded(goodLoad)
			l.write(<-l.queue)
		}
	}
	step(1, nil)
	step(1, func([]byte) (int, error) { return 40, syscall.ENOSPC }) // as much as fits
	step(5, full)
	g.Expect(said.all()).To(HaveLen(1))
	g.Expect(said.all()[0]).To(ContainSubstring("no space left on device"))
	now = now.Add(2 * time.Minute)
	step(1, full)
	g.Expect(said.all()).To(HaveLen(2), "and again when it lasts")
	step(2, nil)
	lines := strings.Split(out.String(), "\n")
	g.Expect(lines).To(HaveLen(6))
	g.Expect(lines[1]).To(HaveLen(40), "the part that was written is a line of its own")
	g.Expect(annotation(decode(t, lines[2]), "lost")).To(Equal("7"))
	for _, i := range []int{0, 3, 4} {
		g.Expect(decode(t, lines[i]).Verb).To(Equal("load"))
	}
	g.Expect(lines[5]).To(BeEmpty())
}

func TestADiskThatIsFullToTheEndIsToldInTheLog(t *testing.T) {
	g := NewWithT(t)
	out, said := &disk{fail: full}, &told{}
	l := New(Options{Out: out, Queue: 100, Log: said.logger(), Now: time.Now})
	for range 3 {
		l.Loaded(goodLoad)
	}
	g.Expect(l.Start(ended(t))).To(Succeed())
	g.Expect(said.all()).To(HaveLen(2))
	g.Expect(said.all()[1]).To(And(ContainSubstring("no line of the audit log tells"), ContainSubstring(`"lost"=3`)))
	g.Expect(out.closed).To(Equal(1))
}

func TestManyMayReportAtOnce(t *testing.T) {
	g := NewWithT(t)
	out, said := &disk{}, &told{}
	l := New(Options{Out: out, Queue: 32, Log: said.logger(), Now: time.Now})
	ctx, cancel := context.WithCancel(t.Context())
	var writing, reporting sync.WaitGroup
	writing.Go(func() { g.Expect(l.Start(ctx)).To(Succeed()) })
	const reporters, each = 8, 100
	for i := range reporters {
		reporting.Go(func() {
			r, v := goodLoad, refusal
			r.Asker.Name = fmt.Sprint("etcd-", i)
			for range each / 4 {
				l.Loaded(r)
				l.Refused(v)
				l.Reloaded(v)
				l.Cleared(extension.ClearRecord{})
			}
		})
	}
	reporting.Wait()
	cancel()
	writing.Wait()
	written, lost := 0, 0
	for _, line := range strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n") {
		e := decode(t, line)
		if e.Verb == "lose" {
			var n int
			_, err := fmt.Sscan(annotation(e, "lost"), &n)
			g.Expect(err).NotTo(HaveOccurred())
			lost += n
			continue
		}
		written++
	}
	g.Expect(written+lost).To(Equal(reporters*each), "every event is written or told as lost")
}
