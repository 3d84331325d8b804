// SPDX-License-Identifier: Apache-2.0

package nushell

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/go-logr/logr"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/sandbox"
)

// Sandbox is the door to processes.
type Sandbox interface {
	Run(ctx context.Context, c sandbox.Command, l sandbox.Limits) (sandbox.Result, error)
	Start(c sandbox.Command, l sandbox.Limits) (*sandbox.Worker, error)
}

// Stage is a folder that one plan is looked at in.
type Stage interface {
	// Dir is its absolute path.
	Dir() string
	// Fill puts <type>/<name>/ for every member into it. Its errors are Faults or the context's.
	Fill(ctx context.Context, members []extension.Member) error
	Remove() error
}

// Options of a Runner. Every one is needed but Workers.
type Options struct {
	// Nushell is the path of nu, or a bare name that is looked for in PATH.
	Nushell string
	// Provisioning is the folder with the loading program.
	Provisioning string
	Sandbox      Sandbox
	// NewStage makes an empty stage. Its errors are Faults.
	NewStage func() (Stage, error)
	// Limits of each process; start from [sandbox.DefaultLimits].
	Limits sandbox.Limits
	// Workers is how many Nushells wait for the next load, WorkerIdle how long each.
	Workers    int
	WorkerIdle time.Duration
	Log        logr.Logger
}

// Runner runs the loading program. It may be used by many at once, and notices when nu or the program are replaced.
type Runner struct {
	options  Options
	binaries memory[binary]
	programs memory[program]
	workers  *workers
}

// New makes a Runner. Nothing is looked for before it is needed: nu may appear later. Start must run for Nushells to be
// started in advance.
func New(options Options) *Runner {
	r := &Runner{options: options, workers: newWorkers()}
	r.binaries.read, r.programs.read = r.readNushell, readProgram
	return r
}

// load is one run of the loading program.
type load struct {
	place

	runner *Runner
	tools  tools
	// worker waits in the place, if one does; warm: it did the load.
	worker *worker
	warm   bool
	plan   extension.Plan
	// folder is where the root of the plan is in the stage.
	folder, prelude string
	yielding        bool
}

// Check has nu parse and type-check the module of the plan's root and tells which hooks it offers. Every error is a Fault,
// or the context's while the stage is filled; the end of ctx is behind a Fault where that ended the load (errors.Is), and the sandbox's error or nu's
// standard error where there is one. All but the hooks comes also beside a Fault, as far as the load came. With yielding,
// other processes go first where there is not time for all: no worker is taken from those who are not.
func (r *Runner) Check(ctx context.Context, plan extension.Plan, yielding bool) (extension.Checked, error) {
	l, err := r.prepare(ctx, plan, yielding)
	if err != nil {
		return extension.Checked{}, err
	}
	defer l.end()
	if err := l.fill(ctx); err != nil {
		return extension.Checked{}, err
	}
	checked := extension.Checked{Toolchain: l.tools.toolchain}
	result, err := l.run(ctx)
	checked.Enforcement, checked.Process = enforcement(result.Report), l.process(result)
	if err != nil {
		return checked, l.processFault(err)
	}
	if fault := l.endFault(result); fault != nil {
		return checked, fault
	}
	a, err := l.read(ctx, result)
	if err != nil {
		return checked, err
	}
	checked.Hooks = a.hooks
	return checked, nil
}

// prepare checks what is about to reach a process, and finds a place for it.
func (r *Runner) prepare(ctx context.Context, plan extension.Plan, yielding bool) (*load, error) {
	if len(plan.Members) == 0 {
		return nil, extension.NewFault(extension.InternalError, "an empty plan cannot be loaded; report this with the operator's log")
	}
	for _, m := range plan.Members {
		if !m.Key.Type.Valid() || !extension.ValidName(m.Key.Name) || !extension.ValidVersion(m.Key.Version) {
			return nil, extension.NewFault(extension.InternalError, "%s is no key of an extension; report this with the operator's log",
				quoted(m.Key.String()))
		}
	}
	l := &load{runner: r, plan: plan, yielding: yielding}
	var err error
	if l.tools, err = r.look(ctx); err != nil {
		return nil, err
	}
	if !yielding {
		l.worker = r.workers.take(l.tools)
	}
	if l.worker != nil {
		l.place = l.worker.place
	} else if l.place, err = r.newPlace(); err != nil {
		return nil, err
	}
	l.folder = l.folderOf(plan.Root().Key)
	if l.prelude, err = prelude(l.dir, l.folder); err != nil {
		l.end()
		return nil, extension.NewTransientFault(extension.InternalError, err,
			"the operator's cache folder has a name that Nushell cannot take; set another with --cache-dir")
	}
	return l, nil
}

// fill puts the plan into the stage. One that somebody deleted meanwhile may be there again with a part of it only.
func (l *load) fill(ctx context.Context) error {
	if err := l.stage.Fill(ctx, l.plan.Members); err != nil {
		return err
	}
	if !l.there() {
		return extension.NewTransientFault(extension.LoadFailed, nil, "the folder that %s was to be loaded in was deleted; the operator tries again", l.what())
	}
	return nil
}

// run has Nushell do the load: one that waits for it already, or a new one.
func (l *load) run(ctx context.Context) (sandbox.Result, error) {
	if l.warm = l.worker != nil && !l.worker.gone(); l.warm {
		return l.worker.Finish(ctx, []byte(l.prelude))
	}
	c := l.program()
	c.Stdin = []byte(l.prelude)
	return l.runner.options.Sandbox.Run(ctx, c, l.runner.options.Limits)
}

// end leaves nothing of the load.
func (l *load) end() {
	if l.worker != nil {
		l.worker.Stop()
	}
	l.runner.leave(l.place)
}

func (l *load) folderOf(k extension.Key) string {
	return filepath.Join(l.dir, string(k.Type), k.Name)
}

// what names the extension in a sentence: taskserv kubernetes 1.28.0.
func (l *load) what() string {
	k := l.plan.Root().Key
	return fmt.Sprintf("%s %s %s", k.Type, k.Name, k.Version)
}

// command starts nu where the load is.
func (l *load) command(args ...string) sandbox.Command {
	c := l.place.command(l.tools, args...)
	c.Yielding = l.yielding
	return c
}

// program runs the loading program, which waits for the prelude.
func (l *load) program() sandbox.Command { return l.command("-c", l.tools.program) }

// process tells of the process of the loading program, whose text, the last argument, is as long as it is well known.
func (l *load) process(result sandbox.Result) extension.Process {
	c := l.program()
	argv := append([]string{c.Path}, c.Args...)
	argv[len(argv)-1] = fmt.Sprintf("<program %s>", l.tools.toolchain.Program)
	return extension.Process{Argv: argv, ExitCode: result.ExitCode, CPU: result.CPU, Warm: l.warm}
}

// read makes the answer of a process that exited by itself, or the Fault that it is.
func (l *load) read(ctx context.Context, result sandbox.Result) (answer, error) {
	if result.ExitCode != 0 && len(result.Stdout) == 0 {
		return answer{}, l.parseFault(ctx, result)
	}
	a, err := decodeAnswer(result.Stdout)
	switch {
	case err != nil:
		return answer{}, l.wrongAnswer(result, "%w", err)
	case (a.failure == nil) != (result.ExitCode == 0):
		return answer{}, l.wrongAnswer(result, "it ended with exit code %d, which contradicts its answer", result.ExitCode)
	case a.failure != nil:
		return answer{}, l.refusal(result, *a.failure)
	case a.key != l.plan.Root().Key:
		return answer{}, l.wrongAnswer(result, "it answered for %s instead", quoted(a.key.String()))
	}
	return a, nil
}

func enforcement(report sandbox.Report) extension.Enforcement {
	missing := slices.Clone(report.Missing)
	slices.Sort(missing)
	return extension.Enforcement{Level: report.Level, Missing: missing}
}
