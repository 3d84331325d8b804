// SPDX-License-Identifier: Apache-2.0

package architecture

import (
	"maps"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// module is the import path of the repository.
const module = "provisioning.dev/extension-operator"

// allowed is what the files of a package may import, tests aside, besides the
// standard library: packages of this module, and others by their path's prefix.
type allowed struct {
	rooms  []string
	others []string
}

// rooms is the closed map. docs/architecture.md shows it to people: change both.
var rooms = map[string]allowed{
	"api/v1alpha1": {others: []string{"k8s.io/api/core/v1", "k8s.io/apimachinery"}},

	"internal/extension": {others: []string{"github.com/Masterminds/semver/v3"}},
	"internal/graph":     {others: []string{"gonum.org/v1/gonum"}},
	"internal/cache":     {others: []string{"github.com/hashicorp/golang-lru/v2", "golang.org/x/sync"}},
	"internal/sandbox":   {others: []string{"golang.org/x/sys"}},
	"internal/store":     {rooms: []string{"internal/extension"}, others: []string{"github.com/go-logr/logr", "golang.org/x/sys"}},
	"internal/catalog": {
		rooms:  []string{"internal/extension", "internal/store"},
		others: []string{"github.com/fsnotify/fsnotify", "github.com/go-logr/logr", "github.com/pelletier/go-toml/v2"},
	},
	"internal/resolve": {
		rooms:  []string{"internal/extension", "internal/graph"},
		others: []string{"github.com/agnivade/levenshtein"},
	},
	"internal/load": {
		rooms:  []string{"internal/extension", "internal/cache"},
		others: []string{"github.com/go-logr/logr"},
	},
	"internal/nushell": {
		rooms:  []string{"internal/extension", "internal/sandbox"},
		others: []string{"github.com/go-logr/logr"},
	},
	"internal/status": {
		rooms:  []string{"api/v1alpha1", "internal/extension"},
		others: []string{"k8s.io/api", "k8s.io/apimachinery"},
	},
	"internal/controller": {
		rooms:  []string{"api/v1alpha1", "internal/extension", "internal/resolve", "internal/load", "internal/status"},
		others: []string{"k8s.io/apimachinery", "k8s.io/client-go", "k8s.io/utils", "sigs.k8s.io/controller-runtime"},
	},
	"internal/installation": {
		rooms: []string{"api/v1alpha1", "internal/extension", "internal/graph", "internal/status", "internal/step"},
		others: []string{
			"github.com/Masterminds/semver/v3", "k8s.io/api", "k8s.io/apimachinery", "k8s.io/client-go", "k8s.io/utils/ptr",
			"sigs.k8s.io/controller-runtime",
		},
	},
	"internal/audit": {
		rooms: []string{"api/v1alpha1", "internal/extension"},
		others: []string{
			"github.com/go-logr/logr", "gopkg.in/natefinch/lumberjack.v2",
			"k8s.io/api", "k8s.io/apimachinery", "k8s.io/apiserver/pkg/apis/audit/v1",
		},
	},
	"internal/metrics": {
		rooms:  []string{"api/v1alpha1", "internal/extension"},
		others: []string{"github.com/prometheus/client_golang", "k8s.io/apimachinery"},
	},
	"internal/health": {others: []string{"github.com/go-logr/logr"}},
	"internal/inventory": {
		rooms:  []string{"api/v1alpha1", "internal/extension"},
		others: []string{"golang.org/x/sync", "k8s.io/apimachinery", "sigs.k8s.io/controller-runtime"},
	},
	"internal/broadcast": {
		rooms:  []string{"internal/extension"},
		others: []string{"github.com/go-logr/logr", "k8s.io/api", "k8s.io/apimachinery", "k8s.io/client-go", "sigs.k8s.io/controller-runtime"},
	},
	"internal/httpapi": {
		rooms:  []string{"internal/extension"},
		others: []string{"github.com/danielgtaylor/huma/v2", "github.com/go-logr/logr", "k8s.io/apimachinery", "k8s.io/utils/ptr"},
	},
	"internal/access": {others: []string{
		"github.com/go-logr/logr", "github.com/hashicorp/golang-lru/v2", "golang.org/x/sync", "golang.org/x/time/rate",
		"k8s.io/api", "k8s.io/apimachinery", "k8s.io/client-go",
	}},
	"internal/serve": {others: []string{
		"github.com/go-logr/logr", "golang.org/x/sync", "k8s.io/client-go/util/cert", "sigs.k8s.io/controller-runtime/pkg/certwatcher",
	}},
	"internal/config": {
		rooms: []string{"internal/extension"},
		others: []string{
			"github.com/agnivade/levenshtein", "github.com/fsnotify/fsnotify", "github.com/go-logr/logr", "github.com/pelletier/go-toml/v2",
			"github.com/spf13/pflag", "k8s.io/apimachinery/pkg/util/validation", "k8s.io/component-base/cli/flag",
		},
	},
	"internal/payload":      {rooms: []string{"internal/extension", "internal/store"}},
	"internal/step":         {rooms: []string{"internal/extension"}, others: []string{"sigs.k8s.io/json"}},
	"internal/architecture": {},

	// The only place that knows them all.
	"cmd/manager": {
		rooms: []string{
			"api/v1alpha1", "internal/access", "internal/audit", "internal/broadcast", "internal/catalog", "internal/config", "internal/controller",
			"internal/extension", "internal/graph", "internal/health", "internal/httpapi", "internal/installation", "internal/inventory", "internal/load",
			"internal/metrics", "internal/nushell", "internal/payload", "internal/resolve", "internal/sandbox", "internal/serve", "internal/store",
		},
		others: []string{
			"github.com/go-logr/logr", "github.com/spf13/cobra", "go.uber.org/zap", "k8s.io/api", "k8s.io/apimachinery",
			"k8s.io/client-go", "k8s.io/component-base", "k8s.io/klog/v2", "sigs.k8s.io/controller-runtime",
		},
	},
	"cmd/extension-runner": {
		rooms:  []string{"internal/extension", "internal/payload", "internal/sandbox", "internal/step"},
		others: []string{"sigs.k8s.io/yaml"},
	},
	"cmd/extension-sandbox": {others: []string{"golang.org/x/net/bpf", "golang.org/x/sys"}},

	// The built-in library; its Go files are tests of it.
	"extensions": {},
}

// outside are the folders whose packages may import anything. No room may import
// them, because none of its rows names one.
var outside = []string{"hack", "test"}

// processRoom is the only door to other processes.
const processRoom = "internal/sandbox"

// starters start processes as os/exec does.
var starters = []string{"os.StartProcess", "syscall.StartProcess", "syscall.ForkExec"}

func TestEveryPackageIsOnTheMap(t *testing.T) {
	g := NewWithT(t)
	packages := readModule(g)
	for _, path := range slices.Sorted(maps.Keys(packages)) {
		_, known := rooms[path]
		g.Expect(known || isOutside(path)).To(BeTrue(),
			"package %s is not on the map: add it, and what it may import, to internal/architecture and to docs/architecture.md", path)
	}
	for path, row := range rooms {
		g.Expect(packages).To(HaveKey(path), "the map has a package that is gone; remove it")
		for _, room := range row.rooms {
			g.Expect(rooms).To(HaveKey(room), "%s may import a package that is not on the map", path)
		}
	}
}

func TestRoomsImportWhatTheMapAllows(t *testing.T) {
	for path, row := range rooms {
		t.Run(path, func(t *testing.T) {
			g := NewWithT(t)
			for _, f := range readModule(g)[path] {
				for _, imported := range f.imports {
					g.Expect(row.allows(imported)).To(BeTrue(),
						"%s imports %s, which the map does not allow to %s: let a value of internal/extension pass between the rooms, "+
							"or change the map here and in docs/architecture.md", f.path, imported, path)
				}
			}
		})
	}
}

func (a allowed) allows(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	if !strings.Contains(first, ".") {
		return true
	}
	if room, own := strings.CutPrefix(imported, module+"/"); own {
		return slices.Contains(a.rooms, room)
	}
	return slices.ContainsFunc(a.others, func(prefix string) bool { return isBelow(imported, prefix) })
}

func TestTheMapTellsRoomsApart(t *testing.T) {
	g := NewWithT(t)
	row := allowed{rooms: []string{"internal/store"}, others: []string{"k8s.io/api"}}
	for imported, want := range map[string]bool{
		"os": true, "encoding/json": true, module + "/internal/store": true, "k8s.io/api": true, "k8s.io/api/core/v1": true,
		module + "/internal/catalog": false, module + "/internal/store/sub": false, "k8s.io/apimachinery": false, "example.com/x": false,
	} {
		g.Expect(row.allows(imported)).To(Equal(want), imported)
	}
}

func TestOnlyOneRoomStartsProcesses(t *testing.T) {
	g := NewWithT(t)
	seen := false
	for path, files := range readModule(g) {
		for _, f := range files {
			starts := slices.Contains(f.imports, "os/exec") || slices.ContainsFunc(starters, f.uses)
			seen = seen || starts && path == processRoom
			g.Expect(starts && path != processRoom && !isOutside(path)).To(BeFalse(),
				"%s starts processes; only %s may: ask it to", f.path, processRoom)
		}
	}
	g.Expect(seen).To(BeTrue(), "%s is found out when it starts processes, so others would be", processRoom)
}

func TestEveryPackageHasAComment(t *testing.T) {
	g := NewWithT(t)
	for path, files := range readModule(g) {
		if len(files) == 0 {
			continue // tests only
		}
		g.Expect(slices.ContainsFunc(files, func(f file) bool { return f.documented })).To(BeTrue(),
			"package %s has no comment that says what it is for: begin one with \"Package %s \", or in a program with what it does",
			path, path[strings.LastIndex(path, "/")+1:])
	}
}

func TestEveryFileHasTheLicence(t *testing.T) {
	g := NewWithT(t)
	for _, f := range readFiles(g) {
		g.Expect(f.generated || f.licensed).To(BeTrue(), "%s does not begin with the line // %s", f.path, licence)
	}
}

func isOutside(path string) bool {
	return slices.ContainsFunc(outside, func(folder string) bool { return isBelow(path, folder) })
}

func isBelow(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }
