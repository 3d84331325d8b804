// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"

	"provisioning.dev/extension-operator/internal/audit"
	"provisioning.dev/extension-operator/internal/config"
	"provisioning.dev/extension-operator/internal/controller"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/installation"
	"provisioning.dev/extension-operator/internal/load"
)

// observer is told what was done, by whoever does it.
type observer interface {
	load.Observer
	controller.Observer
	installation.Observer
}

// observers are told one after the other; there may be none.
type observers []observer

var _ observer = observers(nil)

func (all observers) Loaded(record extension.LoadRecord) {
	for _, one := range all {
		one.Loaded(record)
	}
}

func (all observers) Recalled(record extension.RecallRecord) {
	for _, one := range all {
		one.Recalled(record)
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

func (all observers) Ran(record extension.AttemptRecord) {
	for _, one := range all {
		one.Ran(record)
	}
}

func (all observers) LeftBehind(record extension.LeftRecord) {
	for _, one := range all {
		one.LeftBehind(record)
	}
}

// auditQueue is how many events may wait for the disk; each takes some 2 KiB.
const auditQueue = 1024

// addAudit has the audit log, if one is wanted, told of what is done.
func (p *parts) addAudit(mgr ctrl.Manager, s config.Settings) error {
	if s.AuditLog == "" {
		return nil
	}
	out, err := audit.Open(s.AuditLog, s.AuditLogMaxSize, s.AuditLogMaxBackups)
	if err != nil {
		return fmt.Errorf("open --audit-log: %w", err)
	}
	log := audit.New(audit.Options{Out: out, Queue: auditQueue, Log: ctrl.Log.WithName("audit"), Now: time.Now})
	p.observers = append(p.observers, log)
	p.lostEvents = log.Lost
	if err := mgr.Add(log); err != nil {
		return fmt.Errorf("add the audit log: %w", err)
	}
	return nil
}
