// SPDX-License-Identifier: Apache-2.0

package extension_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
)

// classes is the table of the design, by hand. DependencyMissing under Require
// waits; whoever makes that Fault says so by its policy.
var classes = map[extension.Class][]extension.Code{
	extension.Terminal: {
		"InvalidVersion", "InvalidMetadata", "LoadFailed", "LimitExceeded", "DependencyCycle",
	},
	extension.TerminalOnceSynced: {"ExtensionNotFound", "VersionNotFound", "DependencyMissing", "DependencyConflict"},
	extension.Waiting:            {"DependencyNotReady", "AwaitingRequest"},
	extension.Retryable: {
		"LoadTimeout", "NushellUnavailable", "SandboxUnavailable", "CatalogUnavailable", "InternalError",
	},
}

func TestEveryCodeHasTheClassOfTheDesign(t *testing.T) {
	g := NewWithT(t)
	var all []extension.Code
	for class, codes := range classes {
		for _, code := range codes {
			g.Expect(extension.NewFault(code, "x").Class()).To(Equal(class), string(code))
			all = append(all, code)
		}
	}
	g.Expect(extension.Codes()).To(ConsistOf(all))
}

func TestATransientFaultIsAlwaysRetryable(t *testing.T) {
	g := NewWithT(t)
	for _, code := range extension.Codes() {
		g.Expect(extension.NewTransientFault(code, nil, "x").Class()).To(Equal(extension.Retryable), string(code))
	}
}

func TestEveryCodeHasANumberOfHTTP(t *testing.T) {
	g := NewWithT(t)
	for _, code := range extension.Codes() {
		g.Expect(extension.NewFault(code, "x").HTTPStatus()).To(And(BeNumerically(">=", 400), BeNumerically("<", 600)), string(code))
		g.Expect(extension.NewTransientFault(code, nil, "x").HTTPStatus()).To(BeNumerically(">=", 500), string(code))
		g.Expect(code.HTTPStatus() == 500).To(Equal(code == extension.InternalError), "%s has a number of its own", code)
	}
	g.Expect(extension.Code("Suspended").HTTPStatus()).To(Equal(500))
}

func TestAnUnknownCodeIsRetryable(t *testing.T) {
	NewWithT(t).Expect((&extension.Fault{Code: "Nonsense"}).Class()).To(Equal(extension.Retryable))
}

func TestFaultIsAnErrorWithItsCause(t *testing.T) {
	g := NewWithT(t)
	fault := extension.NewTransientFault(extension.CatalogUnavailable, io.ErrUnexpectedEOF, "library %s cannot be read", "builtin")
	g.Expect(fault).To(MatchError("library builtin cannot be read"))
	g.Expect(errors.Is(fault, io.ErrUnexpectedEOF)).To(BeTrue())
	g.Expect(errors.Unwrap(extension.NewFault(extension.LoadFailed, "x"))).To(BeNil())
}

func TestAsFault(t *testing.T) {
	g := NewWithT(t)
	fault := extension.NewFault(extension.LoadFailed, "no")
	g.Expect(extension.AsFault(fault)).To(BeIdenticalTo(fault))
	g.Expect(extension.AsFault(fmt.Errorf("load: %w", fault))).To(BeIdenticalTo(fault))
	g.Expect(extension.AsFault(errors.Join(io.EOF, fault))).To(BeIdenticalTo(fault))

	other := extension.AsFault(io.EOF)
	g.Expect(other.Code).To(Equal(extension.InternalError))
	g.Expect(other.Class()).To(Equal(extension.Retryable))
	g.Expect(other).To(MatchError("EOF; the operator tries again, its log has more"))
	g.Expect(errors.Is(other, io.EOF)).To(BeTrue())
}
