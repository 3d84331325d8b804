// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"provisioning.dev/extension-operator/internal/sandbox"
	"provisioning.dev/extension-operator/internal/step"
)

const (
	programFile = "run.nu"
	// protocol is the version of the answer that is read here.
	protocol = 1
	// noMemory begins what nu says before it aborts for want of memory.
	noMemory = "memory allocation of "
)

// outcome is what came of a hook: its result, or that there is none.
type outcome struct {
	missing bool
	result  json.RawMessage
}

// call runs the step's hook with its argument. The error is a failure, or one of reading and writing.
func (r *runner) call(ctx context.Context, argument []byte) (outcome, error) {
	input := filepath.Join(r.work(inputFolder), "argument.json")
	if err := os.WriteFile(input, argument, 0o600); err != nil {
		return outcome{}, err
	}
	program, err := os.ReadFile(filepath.Join(r.order.Provisioning, programFile))
	if err != nil {
		return outcome{}, failed(step.NushellUnavailable, "the running program cannot be read: %s; set --provisioning-path to the folder that holds %s", err, programFile)
	}
	box, err := r.box()
	if err != nil {
		return outcome{}, err
	}
	nonce := rand.Text()
	result, err := box.Run(ctx, r.command(string(program), input, nonce), sandbox.DefaultLimits())
	said, line := r.split(result.Stdout, nonce)
	r.show(said, result.Stderr)
	if err != nil {
		return outcome{}, r.processFailure(err)
	}
	if line == nil {
		return outcome{}, r.unanswered(result)
	}
	return r.read(line)
}

// box is what the hook runs in: configure needs no more than a load does, the others act.
func (r *runner) box() (*sandbox.Sandbox, error) {
	if r.order.Step == step.Configure {
		return sandbox.New(sandbox.Mode(r.order.Sandbox), r.order.SandboxHelper)
	}
	return sandbox.New(sandbox.Off, "")
}

// command starts nu with the running program. The paths hold neither quotes nor other signs of Nushell: they were checked.
func (r *runner) command(program, input, nonce string) sandbox.Command {
	root := r.root().Key
	prelude := fmt.Sprintf("const NU_LIB_DIRS = [r#'%s'#]\nconst EXTENSION = r#'%s'#\nconst HOOK = r#'%s'#\nconst INPUT = r#'%s'#\nconst NONCE = r#'%s'#\n",
		r.work(stageFolder), filepath.Join(r.work(stageFolder), string(root.Type), root.Name), r.order.Step, input, nonce)
	c := sandbox.Command{
		Path:  r.order.Nushell,
		Args:  []string{"--no-config-file", "--no-std-lib", "--no-history", "--error-style", "plain", "-c", program},
		Stdin: []byte(prelude),
	}
	if r.order.Step == step.Configure {
		c.Read = []string{r.work(stageFolder), r.work(inputFolder)}
		c.Dir = r.work(stageFolder)
		c.Env = []string{"HOME=" + r.work(stageFolder), "PATH="}
		return c
	}
	c.Dir = r.work(homeFolder)
	c.Env = append([]string{"HOME=" + r.work(homeFolder), "PATH="}, r.clusterEnv()...)
	return c
}

// clusterEnv says where the Kubernetes API is and by what it is known. The token lies beside the certificate.
func (r *runner) clusterEnv() []string {
	var env []string
	for _, name := range []string{"KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"} {
		if value := os.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	authority := filepath.Join(r.order.ServiceAccount, "ca.crt")
	if _, err := os.Stat(authority); err == nil {
		// Nushell reads it as it starts: set from within it does nothing.
		env = append(env, "SSL_CERT_FILE="+authority)
	}
	return env
}

// split takes the answer out of a standard output: the last line that begins with the nonce.
func (*runner) split(stdout []byte, nonce string) (said, answer []byte) {
	at := bytes.LastIndex(stdout, []byte("\n"+nonce+" "))
	if at < 0 {
		return stdout, nil
	}
	return stdout[:at], stdout[at+len(nonce)+2:]
}

// show writes what a hook printed to the log.
func (r *runner) show(texts ...[]byte) {
	for _, text := range texts {
		if line := strings.TrimSpace(string(text)); line != "" && !r.order.HideOutput {
			_, _ = fmt.Fprintf(r.log, "%s\n", redact(line))
		}
	}
}

// unanswered is the failure of a process that ended by itself and left no answer.
func (r *runner) unanswered(result sandbox.Result) *failure {
	var f *failure
	switch {
	case result.Signal == syscall.SIGABRT && result.Report.Has(sandbox.LayerRlimits) && bytes.HasPrefix(result.Stderr, []byte(noMemory)):
		return failed(step.LimitExceeded, "%s reached the limit of memory (%d MiB) and was ended", r.order.Step, sandbox.DefaultLimits().AddressSpace>>20)
	case result.Signal != 0:
		f = failed(step.HookFailed, "%s was ended by a signal (%s), as by too little memory or code nested too deeply", r.order.Step, result.Signal)
	case result.ExitCode == 0:
		return failed(step.NoAnswer, "%s ended Nushell without an answer; let it return, and not call exit", r.order.Step)
	default:
		f = failed(step.HookFailed, "%s ended Nushell with exit code %d and no answer", r.order.Step, result.ExitCode)
	}
	f.said = firstError(result.Stderr)
	return f
}

// firstError is the first line of a standard error that says what is wrong.
func firstError(stderr []byte) string {
	for line := range strings.Lines(string(stderr)) {
		if text, found := strings.CutPrefix(line, "Error: "); found {
			return strings.TrimSpace(text)
		}
	}
	return ""
}

// answer is what the running program says; nushell/run.nu has its form.
type answer struct {
	Protocol                            int
	Outcome                             string
	Result                              json.RawMessage
	Message, Label, Help, Code, Details string
	Declared                            string
	Given                               []field
}

func (r *runner) read(line []byte) (outcome, error) {
	var a answer
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&a); err != nil || decoder.More() {
		return outcome{}, failed(step.NoAnswer, "the answer for %s is not of the documented form", r.order.Step)
	}
	if a.Protocol != protocol {
		return outcome{}, failed(step.NushellUnavailable, "the running program speaks protocol %d, this extension-runner %d; use the %s of this release", a.Protocol, protocol, programFile)
	}
	switch a.Outcome {
	case "returned":
		return outcome{result: a.Result}, nil
	case "missing":
		return outcome{missing: true}, nil
	case "misfit":
		return outcome{}, misfit(a.Declared, a.Given)
	case "failed":
		r.show([]byte(a.Details))
		f := failed(step.HookFailed, "%s failed", r.order.Step)
		f.said, f.code = sentence(a), a.Code
		return outcome{}, f
	default:
		return outcome{}, failed(step.NoAnswer, "the answer for %s is not of the documented form", r.order.Step)
	}
}

// sentence is what an error says: its message, what Nushell labels the place with, and what to do.
func sentence(a answer) string {
	text := strings.TrimSuffix(a.Message, ".")
	if a.Label != "" && !strings.EqualFold(a.Label, text) {
		text += ": " + a.Label
	}
	if a.Help != "" {
		text += "; " + a.Help
	}
	return text
}
