// SPDX-License-Identifier: Apache-2.0

package main

import "io/fs"

// The user of the container, and what it runs.
const (
	user       = "65532:65532"
	entrypoint = "/usr/local/bin/manager"
)

const (
	programs = "/usr/local/bin/"
	share    = "/usr/share/extension-operator/"
	doc      = "/usr/share/doc/extension-operator/"
)

// The accounts are for programs that ask who they are and where home is. What is written there is lost with the container.
const (
	accounts = "root:x:0:0:root:/nonexistent:/nonexistent\nnonroot:x:65532:65532:nonroot:/tmp:/nonexistent\n"
	groups   = "root:x:0:\nnonroot:x:65532:\n"
)

// layer is a part of the image that is sent and kept as one.
type layer struct {
	name     string
	contents []content
}

// contents is what is in the image, the whole of it: make image-tar and the Dockerfile are both made of this list. What changes
// rarely comes first, so that a new version of the operator costs a node the last layers only. Everything is root's; the
// container's user may write into the two folders that are open to all, over which a pod mounts volumes of its own.
var contents = []layer{
	{name: "nushell", contents: []content{
		folder{path: "/tmp", mode: openToAll},
		folder{path: "/var/lib/extension-operator", mode: openToAll},
		text{path: "/etc/passwd", content: accounts},
		text{path: "/etc/group", content: groups},
		nushell{path: programs + "nu"},
	}},
	{name: "library", contents: []content{
		folderOf{path: share + "nushell", source: "nushell"},
		folderOf{path: share + "extensions/providers", source: "extensions/providers"},
		folderOf{path: share + "extensions/taskservs", source: "extensions/taskservs"},
		folderOf{path: share + "extensions/clusters", source: "extensions/clusters"},
		copyOf{path: share + "config.defaults.toml", source: "internal/config/config.defaults.toml"},
		copyOf{path: doc + "LICENSE", source: "LICENSE"},
		licences{path: doc + "licenses"},
	}},
	{name: "programs", contents: []content{
		program{path: programs + "extension-sandbox", source: "./cmd/extension-sandbox"},
		program{path: programs + "extension-runner", source: "./cmd/extension-runner"},
		program{path: programs + "manager", source: "./cmd/manager"},
		billOfMaterials{path: doc + "sbom.cdx.json"},
	}},
}

const (
	openToAll  = fs.ModeDir | fs.ModeSticky | 0o777
	folderMode = fs.ModeDir | 0o755
	fileMode   = 0o644
	runMode    = 0o755
)

// content is a line of the list: it knows which files it puts into the image.
type content interface {
	files(b *build) ([]file, error)
}

// file is a folder or a regular file in the image.
type file struct {
	path string
	mode fs.FileMode
	from string // where its content is on this machine; without it, text is the content
	text []byte
}

type (
	// folder is an empty folder.
	folder struct {
		path string
		mode fs.FileMode
	}
	// text is a file that is written here.
	text struct{ path, content string }
	// copyOf is a file of the source tree.
	copyOf struct{ path, source string }
	// folderOf is a folder of the source tree with all below it but tests and what editors leave.
	folderOf struct{ path, source string }
	// program is a Go program of the source tree, static.
	program struct{ path, source string }
	// nushell is the nu that is pinned for the platform, or the one that was given.
	nushell struct{ path string }
	// licences are those of everything that others wrote.
	licences struct{ path string }
	// billOfMaterials tells what the programs are made of.
	billOfMaterials struct{ path string }
)

func (f folder) files(*build) ([]file, error) {
	return []file{{path: f.path, mode: f.mode}}, nil
}

func (t text) files(*build) ([]file, error) {
	return []file{{path: t.path, mode: fileMode, text: []byte(t.content)}}, nil
}

func (c copyOf) files(b *build) ([]file, error) {
	return []file{{path: c.path, mode: fileMode, from: b.inSource(c.source)}}, nil
}

func (p program) files(b *build) ([]file, error) {
	from, err := b.program(p)
	return []file{{path: p.path, mode: runMode, from: from}}, err
}

func (n nushell) files(b *build) ([]file, error) {
	from, err := b.nushell()
	return []file{{path: n.path, mode: runMode, from: from}}, err
}
