// SPDX-License-Identifier: Apache-2.0

package extension

import "time"

// The records are what observers are told: the audit, and whatever counts. They
// carry no environment, no output and no secret.

// Asker is whom something was done for.
type Asker struct {
	// Namespace and Name of the Extension.
	Namespace string
	Name      string
	// Dependent is the member that needs what was loaded; it has no Version where
	// the Extension itself asked for that.
	Dependent Key
}

// LoadRecord tells of one load that was carried out, good or not.
type LoadRecord struct {
	// Asker is who asked first; others may have joined.
	Asker       Asker
	Member      Member
	InputDigest Digest
	// Checked as far as the load came.
	Checked Checked
	// Began when the load got its slot.
	Began, Ended time.Time
	// Fault is nil after a good load.
	Fault *Fault
}

// RecallRecord tells of one load that was answered from memory.
type RecallRecord struct {
	Key Key
	// Took is how long the answer took.
	Took time.Duration
	// Fault is nil after a good load.
	Fault *Fault
}

// VerdictRecord tells of what an Extension was told: that its reload was handled,
// or that it is refused.
type VerdictRecord struct {
	Asker Asker
	Ref   Ref
	// Member is what Ref was resolved to; it has no Key where that failed.
	Member      Member
	InputDigest Digest
	// Token is the reload token that was handled, in the form in which it is recorded.
	Token string
	At    time.Time
	// Fault is nil where all is well.
	Fault *Fault
}

// ClearRecord tells that what was remembered of loads was forgotten.
type ClearRecord struct {
	// Key is what alone was forgotten; it has no Version where all was.
	Key Key
	// By is who asked for it; empty where nobody is known.
	By string
	// Entries is how many outcomes that were.
	Entries int
	At      time.Time
}

// AttemptRecord tells of an attempt of an Installation that has ended.
type AttemptRecord struct {
	// Namespace and Name of the Installation, and the ServiceAccount that its hooks have
	// now; empty for none.
	Namespace, Name, Account string
	// Purpose and Outcome are the API's words; Outcome is Succeeded, or the reason why not.
	Purpose, Outcome string
	Number           int32
	// Version that was run, the digest of its plan's content, and the Job that ran it.
	Version string
	Content Digest
	Job     string
	// Message is for a person; it has nothing of what must not be shown.
	Message      string
	Began, Ended time.Time
}

// LeftRecord tells that an Installation was let go without having been uninstalled.
type LeftRecord struct {
	// Namespace and Name of the Installation.
	Namespace, Name string
	// Left says what stays, and why.
	Left string
	At   time.Time
}
