// SPDX-License-Identifier: Apache-2.0

package nushell

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/sandbox"
)

// Sandbox is the door to processes.
type Sandbox interface {
	Run(ctx context.Context, c sandbox.Command, l sandbox.Limits) (sandbox.Result, error)
}

// Options of a Runner. Every one is needed.
type Options struct {
	// Nushell is the path of nu, or a bare name that is looked for in PATH.
	Nushell string
	// Provisioning is the folder with the loading program.
	Provisioning string
	Sandbox      Sandbox
	// Limits of each process; start from [sandbox.DefaultLimits].
	Limits sandbox.Limits
}

// Runner runs the loading program. It may be used by many at once, and notices when nu or the program are replaced.
type Runner struct {
	options  Options
	binaries memory[binary]
	programs memory[program]
}

// New makes a Runner. Nothing is looked for before it is needed: nu may appear later.
func New(options Options) *Runner {
	r := &Runner{options: options}
	r.binaries.read, r.programs.read = r.readNushell, readProgram
	return r
}

// load is one run of the loading program.
type load struct {
	runner *Runner
	tools  tools
	// stage is free of links; folder is where the root of the plan is in it.
	stage, folder string
	plan          extension.Plan
	prelude       string
	yielding      bool
}

// Check has nu parse and type-check the module of the plan's root and tells which hooks it offers. The stage, an absolute
// path, holds <type>/<name>/ for every member. Every error is a Fault; the end of ctx is behind it where that ended the load
// (errors.Is), and the sandbox's error or nu's standard error where there is one. All but the hooks comes also
// beside a Fault, as far as the load came. With yielding, other processes go first where there is not time for all.
func (r *Runner) Check(ctx context.Context, stage string, plan extension.Plan, yielding bool) (extension.Checked, error) {
	l, err := r.prepare(ctx, stage, plan)
	if err != nil {
		return extension.Checked{}, err
	}
	l.yielding = yielding
	checked := extension.Checked{Toolchain: l.tools.toolchain}
	command := l.command("-c", l.prelude+l.tools.program)
	result, err := r.options.Sandbox.Run(ctx, command, r.options.Limits)
	checked.Enforcement, checked.Process = enforcement(result.Report), l.process(command, result)
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

// prepare checks what is about to reach a process.
func (r *Runner) prepare(ctx context.Context, stage string, plan extension.Plan) (*load, error) {
	if len(plan.Members) == 0 {
		return nil, extension.NewFault(extension.InternalError, "an empty plan cannot be loaded; report this with the operator's log")
	}
	for _, m := range plan.Members {
		if !m.Key.Type.Valid() || !extension.ValidName(m.Key.Name) || !extension.ValidVersion(m.Key.Version) {
			return nil, extension.NewFault(extension.InternalError, "%s is no key of an extension; report this with the operator's log",
				quoted(m.Key.String()))
		}
	}
	l := &load{runner: r, plan: plan}
	var err error
	if l.stage, err = filepath.EvalSymlinks(stage); err != nil {
		return nil, extension.NewTransientFault(extension.LoadFailed, err, "the stage of %s cannot be read; the operator tries again", l.what())
	}
	l.folder = l.folderOf(plan.Root().Key)
	if l.prelude, err = prelude(l.stage, l.folder); err != nil {
		return nil, extension.NewTransientFault(extension.InternalError, err,
			"the operator's cache folder has a name that Nushell cannot take; set another with --cache-dir")
	}
	if l.tools, err = r.look(ctx); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *load) folderOf(k extension.Key) string {
	return filepath.Join(l.stage, string(k.Type), k.Name)
}

// what names the extension in a sentence: taskserv kubernetes 1.28.0.
func (l *load) what() string {
	k := l.plan.Root().Key
	return fmt.Sprintf("%s %s %s", k.Type, k.Name, k.Version)
}

// command starts nu with an environment of a home (without one a uid that is not in passwd gets an error line) and an
// empty PATH. It may read the stage and nothing else.
func (l *load) command(args ...string) sandbox.Command {
	return sandbox.Command{
		Path: l.tools.nu.path,
		Args: arguments(args...),
		Read: []string{l.stage},
		Dir:  l.stage,
		Env:  []string{"HOME=" + l.stage, "PATH="},

		Yielding: l.yielding,
	}
}

// process tells of the process of the loading program, whose text, the last argument, is as long as it is well known.
func (l *load) process(c sandbox.Command, result sandbox.Result) extension.Process {
	argv := append([]string{c.Path}, c.Args...)
	argv[len(argv)-1] = fmt.Sprintf("<program %s>", l.tools.toolchain.Program)
	return extension.Process{Argv: argv, ExitCode: result.ExitCode, CPU: result.CPU}
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
