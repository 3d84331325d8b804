// SPDX-License-Identifier: Apache-2.0

package step

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"provisioning.dev/extension-operator/internal/extension"
)

// Order is what one container is told. Everything is checked by pattern when it is parsed.
type Order struct {
	Step Step
	// Members of the plan in load order, the root last; of each its Key and Digest.
	Members []extension.Member
	// Payload is the folder of the payload's parts, Values that of one file per source of values, Work a folder that the
	// containers of a pod share. All are absolute.
	Payload, Values, Work string
	// Namespace, Installation (its name) and UID say for whom; Image is the operator's own.
	Namespace, Installation, UID, Image string
	// ConfigDigest, where it is given, is the only configuration that is run with.
	ConfigDigest extension.Digest
	// ValuesDigest, where it is given, is that of the file of Values that comes last, which has the values of the
	// Installation itself, and whose name ends with SpecValues.
	ValuesDigest extension.Digest
	// Lenient: that nothing can be configured is no failure, as where an Installation is taken away.
	Lenient bool
	// HideOutput: a value came from a Secret, so no text of a hook is told.
	HideOutput bool
	Timeout    time.Duration
	// Nushell and SandboxHelper are programs, Provisioning is the folder with run.nu. Sandbox is the mode of configure.
	Nushell, Provisioning, SandboxHelper, Sandbox string
	// ServiceAccount is the folder with ca.crt and token; it need not be there.
	ServiceAccount string
	// TerminationLog is the file that the Report is written to.
	TerminationLog string
}

// Defaults are where things lie in the operator's image and in a pod.
func Defaults() Order {
	return Order{
		Timeout:        10 * time.Minute,
		Nushell:        "/usr/local/bin/nu",
		Provisioning:   "/usr/share/extension-operator/nushell",
		SandboxHelper:  "/usr/local/bin/extension-sandbox",
		Sandbox:        "require",
		ServiceAccount: "/var/run/secrets/kubernetes.io/serviceaccount",
		TerminationLog: "/dev/termination-log",
	}
}

// SpecValues ends the name of the file that has the values of the Installation itself.
const SpecValues = "spec.yaml"

// ErrHelp is what Parse answers to --help.
var ErrHelp = errors.New("help was asked for")

var (
	pathForm = regexp.MustCompile(`^(/[A-Za-z0-9._+@:-]+)+$`)
	nameForm = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	uidForm  = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

// maxObjectName is the longest name of an object, in bytes.
const maxObjectName = 253

// flags binds an Order to its flags. Their help is what `extension-runner --help` prints.
func (o *Order) flags() *flag.FlagSet {
	f := flag.NewFlagSet("extension-runner", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Func("member", "`TYPE:NAME:VERSION@DIGEST` of a member of the plan; repeated, in load order, the root last", o.addMember)
	f.StringVar(&o.Payload, "payload", o.Payload, "`FOLDER` of the payload's parts")
	f.StringVar(&o.Values, "values", o.Values, "`FOLDER` of one YAML file per source of values, merged in the order of their names; for configure")
	f.StringVar(&o.Work, "work", o.Work, "`FOLDER` that the containers of a pod share and may write")
	f.StringVar(&o.Namespace, "namespace", o.Namespace, "`NAMESPACE` of the Installation")
	f.StringVar(&o.Installation, "installation", o.Installation, "`NAME` of the Installation")
	f.StringVar(&o.UID, "uid", o.UID, "`UID` of the Installation")
	f.StringVar(&o.Image, "image", o.Image, "the operator's own `IMAGE`")
	f.Func("config-digest", "`DIGEST` of the only configuration to run with", func(text string) error {
		o.ConfigDigest = extension.Digest(text)
		return nil
	})
	f.Func("values-digest", "`DIGEST` of the last file of --values; for configure", func(text string) error {
		o.ValuesDigest = extension.Digest(text)
		return nil
	})
	f.BoolVar(&o.Lenient, "lenient", o.Lenient, "that nothing can be configured is no failure")
	f.BoolVar(&o.HideOutput, "hide-output", o.HideOutput, "a value came from a Secret: tell no text of the hook")
	f.DurationVar(&o.Timeout, "timeout", o.Timeout, "how `LONG` the step may take")
	f.StringVar(&o.Nushell, "nushell-path", o.Nushell, "`PATH` of nu")
	f.StringVar(&o.Provisioning, "provisioning-path", o.Provisioning, "`FOLDER` with run.nu")
	f.StringVar(&o.SandboxHelper, "sandbox-path", o.SandboxHelper, "`PATH` of extension-sandbox, which configure runs in")
	f.StringVar(&o.Sandbox, "sandbox", o.Sandbox, "`MODE` of configure's sandbox: require or best-effort")
	f.StringVar(&o.ServiceAccount, "service-account", o.ServiceAccount, "`FOLDER` with ca.crt and token, where there is one")
	f.StringVar(&o.TerminationLog, "termination-log", o.TerminationLog, "`FILE` that the outcome is written to")
	return f
}

// Usage is the help of all flags.
func Usage() string {
	var text strings.Builder
	o := Defaults()
	f := o.flags()
	f.SetOutput(&text)
	f.PrintDefaults()
	return text.String()
}

func (o *Order) addMember(text string) error {
	name, digest, _ := strings.Cut(text, "@")
	key, parsed := extension.ParseKey(name)
	if !parsed || !key.Type.Valid() || !extension.ValidName(key.Name) || !extension.ValidVersion(key.Version) || !extension.Digest(digest).Valid() {
		return errors.New("write it as taskserv:hello:1.0.0@sha256:… with 64 hexadecimal digits")
	}
	for _, m := range o.Members {
		if m.Key.Type == key.Type && m.Key.Name == key.Name {
			return fmt.Errorf("%s/%s is given twice", key.Type, key.Name)
		}
	}
	o.Members = append(o.Members, extension.Member{Key: key, Digest: extension.Digest(digest)})
	return nil
}

// Args are the arguments that Parse reads.
func (o Order) Args() []string {
	args := []string{string(o.Step)}
	for _, m := range o.Members {
		args = append(args, fmt.Sprintf("--member=%s@%s", m.Key, m.Digest))
	}
	defaults := Defaults()
	unset := map[string]string{}
	defaults.flags().VisitAll(func(f *flag.Flag) { unset[f.Name] = f.Value.String() })
	o.flags().VisitAll(func(f *flag.Flag) {
		switch value := f.Value.String(); {
		case f.Name == "member", f.Name == "config-digest", f.Name == "values-digest":
		case value != unset[f.Name]:
			args = append(args, "--"+f.Name+"="+value)
		}
	})
	if o.ConfigDigest != "" {
		args = append(args, "--config-digest="+string(o.ConfigDigest))
	}
	if o.ValuesDigest != "" {
		args = append(args, "--values-digest="+string(o.ValuesDigest))
	}
	return args
}

// Parse reads arguments. Beside an error the Order says at least where to write that, and what step it is of if that is known.
func Parse(args []string) (Order, error) {
	o := Defaults()
	if len(args) > 0 {
		o.Step = Step(args[0])
	}
	if o.Step == "--help" || o.Step == "-h" || o.Step == "help" {
		return Defaults(), ErrHelp
	}
	if !o.Step.Valid() {
		o.Step = ""
		return o, errors.New("the first argument must be configure, install, verify or uninstall")
	}
	f := o.flags()
	err := f.Parse(args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		return o, ErrHelp
	case err != nil:
		return o, err
	case f.NArg() > 0:
		return o, fmt.Errorf("%.100q is no flag", f.Arg(0))
	}
	return o, o.validate()
}

func (o Order) validate() error {
	if len(o.Members) == 0 {
		return errors.New("--member is missing")
	}
	paths := []struct{ flag, value string }{
		{"payload", o.Payload}, {"work", o.Work}, {"nushell-path", o.Nushell}, {"provisioning-path", o.Provisioning},
		{"sandbox-path", o.SandboxHelper}, {"service-account", o.ServiceAccount}, {"termination-log", o.TerminationLog},
	}
	if o.Step == Configure {
		paths = append(paths, struct{ flag, value string }{"values", o.Values})
	}
	for _, p := range paths {
		if !pathForm.MatchString(p.value) {
			return fmt.Errorf("--%s=%.200q must be an absolute path of letters, digits and . _ + @ : -", p.flag, p.value)
		}
	}
	for name, digest := range map[string]extension.Digest{"config-digest": o.ConfigDigest, "values-digest": o.ValuesDigest} {
		if digest != "" && !digest.Valid() {
			return fmt.Errorf("--%s=%.100q is no digest", name, string(digest))
		}
	}
	return o.validateSubject()
}

// validateSubject tells what is wrong with whom it is for, and how.
func (o Order) validateSubject() error {
	switch {
	case !extension.ValidName(o.Namespace):
		return fmt.Errorf("--namespace=%.100q is no name of a namespace", o.Namespace)
	case len(o.Installation) > maxObjectName || !nameForm.MatchString(o.Installation):
		return fmt.Errorf("--installation=%.300q is no name of an object", o.Installation)
	case !uidForm.MatchString(o.UID):
		return fmt.Errorf("--uid=%.100q is no uid", o.UID)
	case !extension.ValidImage(o.Image):
		return fmt.Errorf("--image=%.100q is no reference to an image", o.Image)
	case o.Timeout <= 0:
		return errors.New("--timeout must be above 0")
	case o.Sandbox != "require" && o.Sandbox != "best-effort":
		return fmt.Errorf("--sandbox=%.40q must be require or best-effort", o.Sandbox)
	}
	return nil
}
