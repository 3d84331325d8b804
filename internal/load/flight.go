// SPDX-License-Identifier: Apache-2.0

package load

import "provisioning.dev/extension-operator/internal/extension"

// Flight is one asker's view of a load.
type Flight struct {
	ended chan struct{}
	// out is set before ended is closed, and read only after.
	out outcome
}

func newFlight() *Flight { return &Flight{ended: make(chan struct{})} }

func endedFlight(out outcome) *Flight {
	f := newFlight()
	f.end(out)
	return f
}

func (f *Flight) end(out outcome) {
	f.out = out
	close(f.ended)
}

// Ended tells whether Outcome may be asked.
func (f *Flight) Ended() bool {
	select {
	case <-f.ended:
		return true
	default:
		return false
	}
}

// Done is closed when the load has ended.
func (f *Flight) Done() <-chan struct{} { return f.ended }

// Outcome waits for the end and returns what was loaded, or why it was not.
func (f *Flight) Outcome() (*extension.Loaded, error) {
	<-f.ended
	return f.out.loaded, f.out.err
}
