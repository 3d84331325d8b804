// SPDX-License-Identifier: Apache-2.0

package load

import (
	"fmt"
	"time"

	"provisioning.dev/extension-operator/internal/extension"
)

// report tells the log and the observer of a load that has ended.
func (l *Loader) report(req Request, checked extension.Checked, err error, began time.Time) {
	root := req.Plan.Root()
	record := extension.LoadRecord{
		Asker:  extension.Asker{Namespace: req.Namespace, Name: req.Extension, Dependent: req.dependent},
		Member: root, InputDigest: req.InputDigest, Checked: checked, Began: began, Ended: l.opts.Now(),
	}
	log := l.opts.Log.WithValues("key", root.Key.String(), "digest", root.Digest, "inputDigest", req.InputDigest,
		"namespace", req.Namespace, "duration", record.Ended.Sub(began).String())
	if err == nil {
		log.Info("Extension loaded", "hooks", checked.Hooks, "sandbox", checked.Enforcement.Level)
	} else {
		record.Fault = extension.AsFault(err)
		log.Info("Load failed", "reason", record.Fault.Code, "error", record.Fault.Message, "cause", fmt.Sprint(record.Fault.Cause))
	}
	l.opts.Observer.Loaded(record)
}
