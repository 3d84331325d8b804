// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	. "github.com/onsi/gomega"
)

// made is what the program makes, as people run it: without the race detector, which is slow at packing.
type made struct {
	program, source        string
	archive, other, rootfs string
	temp, said             string
}

const (
	testVersion  = "v9.9.9-test"
	testRevision = "0123456789abcdef0123456789abcdef01234567"
)

// makeImage makes the image twice, in the source tree and in a folder with nothing but what a builder of the Dockerfile is sent,
// and there its files too.
func makeImage(t *testing.T, g Gomega) made {
	dir := t.TempDir()
	m := made{
		program: filepath.Join(dir, "image"), source: filepath.Join(dir, "elsewhere"),
		archive: filepath.Join(dir, "one.tar"), other: filepath.Join(dir, "deep", "other.tar"), rootfs: filepath.Join(dir, "rootfs"), temp: t.TempDir(),
	}
	output, err := exec.Command("go", "build", "-o", m.program, ".").CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(output))
	copyContext(g, m.source)
	here, err := filepath.Abs(root)
	g.Expect(err).NotTo(HaveOccurred())
	m.said = m.run(g, "-source="+here, "-output="+m.archive)
	m.run(g, "-source="+m.source, "-output="+m.other, "-rootfs="+m.rootfs, "-image=registry.example.com/team/operator:v2")
	return m
}

func (m made) run(g Gomega, args ...string) string {
	args = append(args, "-version="+testVersion, "-revision="+testRevision)
	cmd := exec.Command(m.program, args...)
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000", "TMPDIR="+m.temp, "GOAMD64=v3", "GOFLAGS=-tags=none")
	output, err := cmd.CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(output))
	return string(output)
}

// copyContext copies what .dockerignore lets through.
func copyContext(g Gomega, to string) {
	ignore, err := os.ReadFile(filepath.Join(root, ".dockerignore"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(ignore)).To(ContainSubstring("\n*\n"))
	for line := range strings.Lines(string(ignore)) {
		name, sent := strings.CutPrefix(strings.TrimSpace(line), "!")
		if !sent {
			continue
		}
		g.Expect(fs.WalkDir(os.DirFS(root), name, func(path string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.Name() == "testdata":
				return fs.SkipDir
			case entry.IsDir():
				return os.MkdirAll(filepath.Join(to, path), 0o755)
			case strings.HasSuffix(path, "_test.go"):
				return nil
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			content, err := os.ReadFile(filepath.Join(root, path))
			if err != nil {
				return err
			}
			if err := os.MkdirAll(filepath.Dir(filepath.Join(to, path)), 0o755); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(to, path), content, info.Mode())
		})).To(Succeed())
	}
}

func TestImage(t *testing.T) {
	g := NewWithT(t)
	m := makeImage(t, g)
	image, err := tarball.ImageFromPath(m.archive, nil)
	g.Expect(err).NotTo(HaveOccurred())

	t.Run("is the same wherever it is made", func(t *testing.T) {
		g := NewWithT(t)
		one, other := fromLayout(t, g, m.archive), fromLayout(t, g, m.other)
		digest, err := one.Digest()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(other.Digest()).To(Equal(digest))
		g.Expect(m.said).To(ContainSubstring("\ndigest " + digest.String() + "\n"))
	})
	t.Run("is right for docker load and as an OCI layout", func(t *testing.T) {
		g := NewWithT(t)
		oci := fromLayout(t, g, m.archive)
		name, err := image.ConfigName()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(oci.ConfigName()).To(Equal(name))
		manifest, err := oci.Manifest()
		g.Expect(err).NotTo(HaveOccurred())
		forDocker, err := tarball.LoadManifest(func() (io.ReadCloser, error) { return os.Open(m.archive) })
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(forDocker).To(HaveLen(1))
		g.Expect(forDocker[0].RepoTags).To(Equal([]string{"extension-operator:dev"}))
		for i, l := range manifest.Layers {
			g.Expect(forDocker[0].Layers[i]).To(Equal("blobs/sha256/" + l.Digest.Hex))
		}
	})
	t.Run("says what it is", func(t *testing.T) {
		g := NewWithT(t)
		settings, err := image.ConfigFile()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(settings.OS + "/" + settings.Architecture).To(Equal("linux/amd64"))
		g.Expect(settings.Config).To(And(
			HaveField("User", "65532:65532"), HaveField("Entrypoint", []string{"/usr/local/bin/manager"}), HaveField("Cmd", BeEmpty()),
			HaveField("WorkingDir", "/"))) // what BuildKit writes where a Dockerfile names none
		g.Expect(settings.Config.Labels).To(And(
			HaveKeyWithValue("org.opencontainers.image.version", testVersion), HaveKeyWithValue("org.opencontainers.image.revision", testRevision),
			HaveKeyWithValue("org.opencontainers.image.created", "2023-11-14T22:13:20Z")))
	})
	t.Run("has the files that the Dockerfile copies", func(t *testing.T) {
		g := NewWithT(t)
		layers, folders := filesOfLayers(g, image), filesOfFolders(g, m.rootfs)
		g.Expect(len(layers)).To(BeNumerically(">", 150))
		g.Expect(folders).To(Equal(layers))
		for name := range layers {
			g.Expect(name).NotTo(Or(HaveSuffix("_test.go"), HaveSuffix(".go"), HavePrefix("bin/")))
		}
	})
	t.Run("has programs that run", func(t *testing.T) { runPrograms(t, m.rootfs) })
	t.Run("tells what it is made of", func(t *testing.T) { checkBill(t, m.rootfs) })
	t.Run("leaves no scratch folder", func(t *testing.T) {
		NewWithT(t).Expect(os.ReadDir(m.temp)).To(BeEmpty())
	})
}

// fromLayout reads the archive as an OCI layout, which has the image alone.
func fromLayout(t *testing.T, g Gomega, archive string) v1.Image {
	dir := t.TempDir()
	file, err := os.Open(archive)
	g.Expect(err).NotTo(HaveOccurred())
	defer file.Close()
	for reader := tar.NewReader(file); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		g.Expect(err).NotTo(HaveOccurred())
		content, err := io.ReadAll(reader)
		g.Expect(err).NotTo(HaveOccurred())
		if hash, is := strings.CutPrefix(header.Name, "blobs/sha256/"); is {
			g.Expect(fmt.Sprintf("%x", sha256.Sum256(content))).To(Equal(hash))
		}
		g.Expect(os.MkdirAll(filepath.Dir(filepath.Join(dir, header.Name)), 0o755)).To(Succeed())
		g.Expect(os.WriteFile(filepath.Join(dir, header.Name), content, 0o600)).To(Succeed())
	}
	index, err := layout.ImageIndexFromPath(dir)
	g.Expect(err).NotTo(HaveOccurred())
	manifest, err := index.IndexManifest()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(manifest.Manifests).To(HaveLen(1))
	image, err := index.Image(manifest.Manifests[0].Digest)
	g.Expect(err).NotTo(HaveOccurred())
	return image
}

// filesOfLayers are what the layers hold: each path's mode, time and content. All of it is root's.
func filesOfLayers(g Gomega, image v1.Image) map[string]string {
	files := map[string]string{}
	layers, err := image.Layers()
	g.Expect(err).NotTo(HaveOccurred())
	for i, l := range layers {
		content, err := l.Uncompressed()
		g.Expect(err).NotTo(HaveOccurred())
		hash := sha256.New()
		whole := io.TeeReader(content, hash)
		for reader := tar.NewReader(whole); ; {
			header, err := reader.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(header.Uid + header.Gid).To(BeZero())
			info := header.FileInfo()
			files[filepath.Join(contents[i].name, header.Name)] = describe(g, info.Mode(), info.ModTime().Unix(), reader)
		}
		_, err = io.Copy(io.Discard, whole) // what pads the tar
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(content.Close()).To(Succeed())
		id, err := l.DiffID()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(hex.EncodeToString(hash.Sum(nil))).To(Equal(id.Hex))
	}
	return files
}

func filesOfFolders(g Gomega, rootfs string) map[string]string {
	files := map[string]string{}
	g.Expect(filepath.WalkDir(rootfs, func(path string, entry fs.DirEntry, err error) error {
		name, _ := filepath.Rel(rootfs, path)
		if err != nil || !strings.Contains(name, string(filepath.Separator)) {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content := io.NopCloser(strings.NewReader(""))
		if !entry.IsDir() {
			if content, err = os.Open(path); err != nil {
				return err
			}
		}
		files[name] = describe(g, info.Mode(), info.ModTime().Unix(), content)
		return content.Close()
	})).To(Succeed())
	return files
}

func describe(g Gomega, mode fs.FileMode, seconds int64, content io.Reader) string {
	hash := sha256.New()
	_, err := io.Copy(hash, content)
	g.Expect(err).NotTo(HaveOccurred())
	return fmt.Sprintf("%s %d %x", mode, seconds, hash.Sum(nil))
}

func runPrograms(t *testing.T, rootfs string) {
	// Only the machine of the image can start its programs. CI is one; elsewhere the rest of the test holds.
	if runtime.GOOS+"/"+runtime.GOARCH != "linux/amd64" {
		t.Skip("programs for linux/amd64 do not run on " + runtime.GOOS + "/" + runtime.GOARCH)
	}
	g := NewWithT(t)
	say := func(program string, args ...string) string {
		cmd := exec.Command(program, args...)
		cmd.Env = []string{"PATH=/nonexistent", "HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir()}
		output, err := cmd.CombinedOutput()
		g.Expect(err).NotTo(HaveOccurred(), "%s: %s", program, output)
		return string(output)
	}
	manager, nu := rootfs+"/programs/usr/local/bin/manager", rootfs+"/nushell/usr/local/bin/nu"
	library := rootfs + "/library/usr/share/extension-operator"
	g.Expect(say(manager, "version")).To(ContainSubstring(testVersion))
	g.Expect(say(manager, "graph", "--library", library+"/extensions", "--output", "json")).To(ContainSubstring(`"taskserv:hello:`))
	g.Expect(say(manager, "config", "check", library+"/config.defaults.toml")).To(ContainSubstring("is right"))
	g.Expect(say(nu, "--no-config-file", "--no-std-lib", library+"/nushell/provisioning", "module", "load", "taskserv", "kubernetes", "--output", "json")).
		To(ContainSubstring(`"kubernetes"`))
	g.Expect(say(rootfs+"/programs/usr/local/bin/extension-runner", "--help")).To(ContainSubstring("extension-runner runs one step"))
	g.Expect(say(rootfs+"/programs/usr/local/bin/extension-sandbox", "--help")).NotTo(BeEmpty())
}
