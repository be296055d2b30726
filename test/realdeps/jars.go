package realdeps

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	_ "embed"
)

//go:embed pom.xml
var pom []byte

//go:embed NacosStandalone.java
var mainClass []byte

// nacosJars returns a folder with the jars of pom.xml in jars/ and the compiled main class in classes/. It is made once for each content of
// these two files; starts at the same time take turns.
func nacosJars(ctx context.Context) (string, error) {
	for command, debian := range map[string]string{"javac": "openjdk-17-jdk-headless", "mvn": "maven"} {
		if err := Need(ctx, command, debian); err != nil {
			return "", err
		}
	}
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(cache, "nacos.lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	sum := sha256.Sum256(append(append([]byte{}, pom...), mainClass...))
	dir := filepath.Join(cache, "nacos-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	tmp, err := os.MkdirTemp(cache, "getting-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if err := fetchJars(ctx, tmp); err != nil {
		return "", err
	}
	return dir, os.Rename(tmp, dir)
}

func fetchJars(ctx context.Context, dir string) error {
	for name, content := range map[string][]byte{"pom.xml": pom, "NacosStandalone.java": mainClass} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	fmt.Fprintln(os.Stderr, "realdeps: getting Nacos with mvn (about 200 MB, once)")
	err := loud(ctx, "mvn", "-B", "-q", "-f", filepath.Join(dir, "pom.xml"),
		"org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies",
		"-DincludeScope=runtime", "-DoutputDirectory="+filepath.Join(dir, "jars"))
	if err != nil {
		return err
	}
	return loud(ctx, "javac", "-nowarn", "-cp", filepath.Join(dir, "jars", "*"), "-d", filepath.Join(dir, "classes"),
		filepath.Join(dir, "NacosStandalone.java"))
}

// classPath puts Caucho's hessian before the rest: another jar has some of its classes in an older form, with which Nacos does not start, and
// others that Caucho's lacks, without which no push reaches a client.
func classPath(lib string) string {
	jars := filepath.Join(lib, "jars")
	hessian, _ := filepath.Glob(filepath.Join(jars, "hessian-4.*.jar")) // the pattern is well-formed
	list := append([]string{filepath.Join(lib, "classes")}, hessian...)
	return strings.Join(append(list, filepath.Join(jars, "*")), string(os.PathListSeparator))
}
