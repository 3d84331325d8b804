// SPDX-License-Identifier: Apache-2.0

package architecture

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"

	. "github.com/onsi/gomega"
)

const licence = "SPDX-License-Identifier: Apache-2.0"

// file is what the rules look at in a Go file. All files are read, whatever
// platform they are for.
type file struct {
	// path is slash-separated, below the root of the module.
	path    string
	imports []string
	// test files are those that end in _test.go.
	test bool
	// documented: it has the package comment.
	documented bool
	licensed   bool
	generated  bool
	tree       *ast.File
}

// readModule returns the files of each package by its folder, tests left out; a
// package of tests alone has none.
func readModule(g Gomega) map[string][]file {
	packages := map[string][]file{}
	for _, f := range readFiles(g) {
		folder := path.Dir(f.path)
		files := packages[folder]
		if !f.test {
			files = append(files, f)
		}
		packages[folder] = files
	}
	return packages
}

// readFiles returns every Go file of the module.
func readFiles(g Gomega) []file {
	files, err := readOnce()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(files).NotTo(BeEmpty())
	return files
}

var readOnce = sync.OnceValues(func() (files []file, err error) {
	root := os.DirFS("../..")
	err = fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && !belongs(root, name):
			return fs.SkipDir
		case !entry.IsDir() && strings.HasSuffix(name, ".go"):
			f, err := readFile(root, name)
			files = append(files, f)
			return err
		}
		return nil
	})
	return files, err
})

// belongs tells whether the go command would look into a folder of the module.
func belongs(root fs.FS, folder string) bool {
	base := path.Base(folder)
	if folder == "." {
		return true
	}
	_, err := fs.Stat(root, path.Join(folder, "go.mod"))
	return err != nil && base != "testdata" && base != "vendor" && !strings.HasPrefix(base, ".") && !strings.HasPrefix(base, "_")
}

func readFile(root fs.FS, name string) (file, error) {
	f := file{path: name, test: strings.HasSuffix(name, "_test.go")}
	source, err := fs.ReadFile(root, name)
	if err != nil {
		return f, err
	}
	if f.tree, err = parser.ParseFile(token.NewFileSet(), name, source, parser.ParseComments); err != nil {
		return f, err
	}
	for _, spec := range f.tree.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return f, err
		}
		f.imports = append(f.imports, imported)
	}
	f.generated = ast.IsGenerated(f.tree)
	f.licensed = strings.HasPrefix(string(source), "// "+licence+"\n")
	comment := f.tree.Doc.Text()
	f.documented = strings.HasPrefix(comment, "Package "+f.tree.Name.Name+" ") ||
		f.tree.Name.Name == "main" && comment != "" && !strings.Contains(comment, licence)
	return f, nil
}

// uses tells whether the file names this member of an imported package.
func (f file) uses(qualified string) bool {
	found := false
	ast.Inspect(f.tree, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if ok {
			of, plain := selector.X.(*ast.Ident)
			found = found || plain && of.Name+"."+selector.Sel.Name == qualified
		}
		return !found
	})
	return found
}
