// SPDX-License-Identifier: Apache-2.0

package main

import (
	"provisioning.dev/extension-operator/internal/controller"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/load"
)

// observer is told what was done, by whoever does it.
type observer interface {
	load.Observer
	controller.Observer
}

// observers are told one after the other; there may be none.
type observers []observer

var _ observer = observers(nil)

func (all observers) Loaded(record extension.LoadRecord) {
	for _, one := range all {
		one.Loaded(record)
	}
}

func (all observers) Cleared(record extension.ClearRecord) {
	for _, one := range all {
		one.Cleared(record)
	}
}

func (all observers) Reloaded(record extension.VerdictRecord) {
	for _, one := range all {
		one.Reloaded(record)
	}
}

func (all observers) Refused(record extension.VerdictRecord) {
	for _, one := range all {
		one.Refused(record)
	}
}
