// SPDX-License-Identifier: Apache-2.0

package nushell

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/sandbox"
)

// warmed is a Runner as another, but with that many workers, which wait.
func warmed(t testing.TB, like *Runner, workers int) (warm *Runner, stop func()) {
	t.Helper()
	o := like.options
	o.Workers = workers
	warm = New(o)
	warm.binaries.newest = like.binaries.newest // so that nu is not hashed each time
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- warm.Start(ctx) }()
	stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	await(t, func() bool { return warm.workers.count() == workers })
	return warm, stop
}

func await(t testing.TB, done func() bool) {
	t.Helper()
	for range 2000 {
		if done() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("it did not happen within 10 s")
}

// check has a sample looked at twice, by a Nushell that is started for it and by one that waits, and fails the test where
// the two say different things.
func check(ctx context.Context, t testing.TB, runner *Runner, s sample) (extension.Checked, error) {
	t.Helper()
	g := NewWithT(t)
	cold, coldErr := runner.Check(ctx, s.plan, false)
	g.Expect(cold.Process.Warm).To(BeFalse())
	warmRunner, stop := warmed(t, runner, 1)
	defer stop()
	warm, warmErr := warmRunner.Check(ctx, s.plan, false)
	g.Expect(warm.Process.Warm).To(BeTrue())
	g.Expect(warm.Hooks).To(Equal(cold.Hooks))
	g.Expect(warm.Toolchain).To(Equal(cold.Toolchain))
	g.Expect(warm.Enforcement).To(Equal(cold.Enforcement))
	g.Expect(warm.Process.Argv).To(Equal(cold.Process.Argv))
	if coldErr == nil {
		g.Expect(warmErr).NotTo(HaveOccurred())
		return cold, nil
	}
	one, other := extension.AsFault(coldErr), extension.AsFault(warmErr)
	if !either(one, other) {
		g.Expect(other.Message).To(Equal(one.Message))
		g.Expect(other.Code).To(Equal(one.Code))
	}
	g.Expect(other.Cause.Error()).NotTo(ContainSubstring("SECRET"))
	return cold, coldErr
}

// either tells of two ends of too much, of which it depends on the machine's load which comes first.
func either(one, other *extension.Fault) bool {
	ends := func(f *extension.Fault) bool {
		return strings.Contains(f.Message, "the limit of ") || strings.Contains(f.Message, "segmentation fault")
	}
	return ends(one) && ends(other)
}

func TestWorkersAreRefilledAndServeOneLoadEach(t *testing.T) {
	g := NewWithT(t)
	stagesBelow(t, t.TempDir())
	s := stage(t, t.TempDir(), files{"mod.nu": install}, nil)
	runner, stop := warmed(t, sharedRunner(t), 2)
	seen := map[*worker]bool{}
	for range 6 {
		await(t, func() bool { return runner.workers.count() == 2 })
		for _, w := range runner.workers.waiting {
			seen[w] = true
		}
		checked, err := runner.Check(t.Context(), s.plan, false)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(checked.Process.Warm).To(BeTrue())
	}
	g.Expect(len(seen)).To(BeNumerically(">=", 7))
	stop()
	g.Expect(runner.workers.count()).To(BeZero())
	g.Expect(os.ReadDir(stagesFolder)).To(BeEmpty(), "stages")
	checked, err := runner.Check(t.Context(), s.plan, false)
	g.Expect(err).NotTo(HaveOccurred(), "it starts cold then")
	g.Expect(checked.Process.Warm).To(BeFalse())
}

// More loads than workers: each gets an answer, none two workers, and nothing is left.
func TestAFewWorkersAndManyLoads(t *testing.T) {
	g := NewWithT(t)
	stagesBelow(t, t.TempDir())
	good := stage(t, t.TempDir(), files{"mod.nu": install}, nil)
	bad := stage(t, t.TempDir(), files{"mod.nu": "x\n"}, nil)
	runner, stop := warmed(t, sharedRunner(t), 2)
	var all sync.WaitGroup
	var mu sync.Mutex
	warm := 0
	for i := range 24 {
		all.Go(func() {
			plan, fails := good.plan, i%3 == 0
			if fails {
				plan = bad.plan
			}
			checked, err := runner.Check(t.Context(), plan, false)
			mu.Lock()
			defer mu.Unlock()
			g.Expect(err != nil).To(Equal(fails), "%v", err)
			if checked.Process.Warm {
				warm++
			}
		})
	}
	all.Wait()
	g.Expect(warm).To(BeNumerically(">=", 2))
	stop()
	g.Expect(os.ReadDir(stagesFolder)).To(BeEmpty())
}

func TestLoadsThatYieldTakeNoWorker(t *testing.T) {
	g := NewWithT(t)
	s := stage(t, t.TempDir(), files{"mod.nu": install}, nil)
	runner, stop := warmed(t, sharedRunner(t), 1)
	defer stop()
	checked, err := runner.Check(t.Context(), s.plan, true)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(checked.Process.Warm).To(BeFalse())
	g.Expect(runner.workers.count()).To(Equal(1))
}

func TestAWorkerThatWaitsTooLongIsReplaced(t *testing.T) {
	g := NewWithT(t)
	like := New(options(t))
	like.binaries.newest = sharedRunner(t).binaries.newest
	like.options.WorkerIdle = 100 * time.Millisecond
	runner, stop := warmed(t, like, 1)
	defer stop()
	first := waiting(runner)
	await(t, func() bool { w := waiting(runner); return w != nil && w != first })
	g.Expect(first.gone()).To(BeTrue())
	g.Expect(first.place.dir).NotTo(BeADirectory())
}

// waiting is the worker that waits longest, if one does.
func waiting(r *Runner) *worker {
	r.workers.mu.Lock()
	defer r.workers.mu.Unlock()
	if len(r.workers.waiting) == 0 {
		return nil
	}
	return r.workers.waiting[0]
}

// A worker that the kernel ended, as for want of memory, is not taken.
func TestAWorkerThatIsGoneIsNoneToTake(t *testing.T) {
	g := NewWithT(t)
	s := stage(t, t.TempDir(), files{"mod.nu": install}, nil)
	runner, stop := warmed(t, sharedRunner(t), 1)
	defer stop()
	gone := waiting(runner)
	gone.Stop()
	checked, err := runner.Check(t.Context(), s.plan, false)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(checked.Process.Warm).To(BeFalse())
	await(t, func() bool { w := waiting(runner); return w != nil && w != gone })
}

func TestAnotherProgramHasWorkersOfItsOwn(t *testing.T) {
	g := NewWithT(t)
	like := New(options(t))
	like.binaries.newest = sharedRunner(t).binaries.newest
	program, err := os.ReadFile(filepath.Join(provisioning, programFile))
	g.Expect(err).NotTo(HaveOccurred())
	like.options.Provisioning = t.TempDir()
	files{programFile: string(program)}.write(t, like.options.Provisioning)
	s := stage(t, t.TempDir(), files{"mod.nu": install}, nil)
	runner, stop := warmed(t, like, 1)
	defer stop()
	old := waiting(runner)
	files{programFile: string(program) + "# another\n"}.write(t, like.options.Provisioning)
	checked, err := runner.Check(t.Context(), s.plan, false)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(checked.Process.Warm).To(BeFalse(), "it would be the program of before")
	await(t, func() bool { w := waiting(runner); return w != nil && w != old })
	toolchain, err := runner.Toolchain(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(waiting(runner).tools.toolchain).To(Equal(toolchain))
}

// A loading program of a user's that waits for nothing costs processes, and no answer.
func TestAProgramThatDoesNotWait(t *testing.T) {
	g := NewWithT(t)
	stagesBelow(t, t.TempDir())
	o := options(t)
	o.Workers = 2
	o.Provisioning = t.TempDir()
	files{programFile: say(goodAnswer)}.write(t, o.Provisioning)
	s := stage(t, t.TempDir(), files{"mod.nu": install}, nil)
	runner, stop := warmed(t, New(o), 2)
	await(t, func() bool { return waiting(runner).gone() })
	for range 3 {
		_, err := runner.Check(t.Context(), s.plan, false)
		g.Expect(err).NotTo(HaveOccurred())
	}
	stop()
	g.Expect(os.ReadDir(stagesFolder)).To(BeEmpty())
}

// A load that ends before it reaches its worker leaves nothing of that.
func TestALoadThatCannotBeStagedEndsItsWorker(t *testing.T) {
	g := NewWithT(t)
	stagesBelow(t, t.TempDir())
	runner, stop := warmed(t, sharedRunner(t), 1)
	taken := waiting(runner)
	lost := extension.Plan{Members: []extension.Member{member("sample")}}
	lost.Members[0].Digest = content(t.TempDir() + "/gone")
	_, err := runner.Check(t.Context(), lost, false)
	g.Expect(err).To(MatchError(os.ErrNotExist))
	g.Expect(taken.gone()).To(BeTrue())
	stop()
	g.Expect(os.ReadDir(stagesFolder)).To(BeEmpty())
}

func TestACancelledLoadEndsItsWorker(t *testing.T) {
	g := NewWithT(t)
	s := stage(t, t.TempDir(), files{"mod.nu": install}, nil)
	runner, stop := warmed(t, sharedRunner(t), 1)
	defer stop()
	taken := waiting(runner)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := runner.Check(ctx, s.plan, false)
	g.Expect(err).To(MatchError(context.Canceled))
	g.Expect(extension.AsFault(err).Class()).To(Equal(extension.Retryable))
	g.Expect(taken.gone()).To(BeTrue())
}

func TestWithoutASandboxThereAreNoWorkersAndTheLoadSaysSo(t *testing.T) {
	g := NewWithT(t)
	stagesBelow(t, t.TempDir())
	o := options(t)
	o.Workers = 1
	like := New(o)
	_, err := like.Toolchain(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	o.Sandbox, err = sandbox.New(sandbox.Require, "/gone/extension-sandbox")
	g.Expect(err).NotTo(HaveOccurred())
	runner := New(o)
	runner.binaries.newest = like.binaries.newest
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- runner.Start(ctx) }()
	s := stage(t, t.TempDir(), files{"mod.nu": install}, nil)
	for range 2 {
		_, err = runner.Check(t.Context(), s.plan, false)
		g.Expect(extension.AsFault(err).Code).To(Equal(extension.SandboxUnavailable))
	}
	cancel()
	g.Expect(<-ended).NotTo(HaveOccurred())
	g.Expect(os.ReadDir(stagesFolder)).To(BeEmpty())
}

// Whoever deletes the cache folder takes the stages of those that wait. What is linked there afterwards is not what they
// were granted.
func TestAWorkerWhoseStageIsDeletedIsNoneToTake(t *testing.T) {
	g := NewWithT(t)
	stagesBelow(t, t.TempDir())
	s := stage(t, t.TempDir(), files{"mod.nu": install}, nil)
	runner, stop := warmed(t, sharedRunner(t), 1)
	defer stop()
	first := waiting(runner)
	g.Expect(os.RemoveAll(first.place.dir)).To(Succeed())
	checked, err := runner.Check(t.Context(), s.plan, false)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(checked.Process.Warm).To(BeFalse())

	await(t, func() bool { w := waiting(runner); return w != nil && w != first })
	l, err := runner.prepare(t.Context(), s.plan, false)
	g.Expect(err).NotTo(HaveOccurred())
	defer l.end()
	g.Expect(l.worker).NotTo(BeNil())
	g.Expect(os.RemoveAll(l.dir)).To(Succeed(), "after it was taken")
	err = l.fill(t.Context())
	g.Expect(err).To(MatchError("the folder that taskserv sample 1.0.0 was to be loaded in was deleted; the operator tries again"))
	g.Expect(extension.AsFault(err).Class()).To(Equal(extension.Retryable), "half a plan is no verdict")
}

func TestAWorkerThatEndsAfterItWasTakenIsNotUsed(t *testing.T) {
	g := NewWithT(t)
	s := stage(t, t.TempDir(), files{"mod.nu": install}, nil)
	runner, stop := warmed(t, sharedRunner(t), 1)
	defer stop()
	l, err := runner.prepare(t.Context(), s.plan, false)
	g.Expect(err).NotTo(HaveOccurred())
	defer l.end()
	g.Expect(l.fill(t.Context())).To(Succeed())
	l.worker.Stop()
	result, err := l.run(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(result.ExitCode).To(BeZero())
	g.Expect(l.warm).To(BeFalse())
}

func TestNobodyWaitsWithoutNushell(t *testing.T) {
	g := NewWithT(t)
	stagesBelow(t, t.TempDir())
	folder := t.TempDir()
	program, err := os.ReadFile(filepath.Join(provisioning, programFile))
	g.Expect(err).NotTo(HaveOccurred())
	files{programFile: string(program)}.write(t, folder)
	like := New(options(t))
	like.binaries.newest = sharedRunner(t).binaries.newest
	like.options.Provisioning, like.options.WorkerIdle = folder, 100*time.Millisecond
	runner, stop := warmed(t, like, 1)
	defer stop()
	g.Expect(os.Remove(filepath.Join(folder, programFile))).To(Succeed())
	await(t, func() bool { return runner.workers.count() == 0 })
	await(t, func() bool { left, _ := os.ReadDir(stagesFolder); return len(left) == 0 })
}
