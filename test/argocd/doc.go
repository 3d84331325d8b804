// SPDX-License-Identifier: Apache-2.0

// Package argocd runs what config/argocd gives to Argo CD as Argo CD 3 runs it, and makes the ConfigMap of the scripts.
package argocd
