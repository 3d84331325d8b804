// SPDX-License-Identifier: Apache-2.0

// Package e2e holds the shipped image and manifests against a real cluster. Its tests have the build tag e2e and are run by
// make e2e, which gives them a cluster and the image (docs/e2e.md).
package e2e
