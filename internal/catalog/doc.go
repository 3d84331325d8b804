// SPDX-License-Identifier: Apache-2.0

// Package catalog offers the extensions of libraries. A library is a directory
// tree that people edit while the operator runs; the package turns it into
// answers that are never torn: a change counts once it has been quiet for a
// while, content is handed out as copies in the store only, and whoever asked is
// told when an answer changed.
//
//	sight.go     what lies on the disk now, by stat alone
//	settle.go    when that becomes what the library says
//	look.go      one name: from the first to the second
//	examine.go   a version's content: copied, parsed, checked against its folder
//	scan.go, start.go, watch.go      every name, again and again
//	find.go, discover.go             the answers
//	manifest.go, dependency.go       the manifest
package catalog
