// SPDX-License-Identifier: Apache-2.0

// Command dns is CoreDNS with what answers for a cluster's Services alone: the DNS server of the cluster of hack/cluster.
package main

import (
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
)

func main() { coremain.Run() }
