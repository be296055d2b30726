package realdeps

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

//go:embed skywalking
var skywalkingFiles embed.FS

// SkyWalking says how to start an OAP server of Apache SkyWalking 10.1.0, which keeps traces in memory.
type SkyWalking struct {
	Dir string // an existing folder for its configuration and log; without spaces: the server cannot read it from any other
}

// The ports that a SkyWalking takes besides its own, to which OTLP over gRPC goes.
const (
	skywalkingREST   = 1000
	skywalkingZipkin = 2000
)

// StartSkyWalking starts an OAP and returns once it takes spans at Addr and tells them at Zipkin, usually after 5 to 20 s; the very first time it
// also downloads 54 MB of jars.
func StartSkyWalking(ctx context.Context, w SkyWalking) (s *Server, zipkin string, err error) {
	jars, err := skywalkingJars(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("get SkyWalking: %w", err)
	}
	if err := w.configure(); err != nil {
		return nil, "", fmt.Errorf("configure SkyWalking: %w", err)
	}
	s, err = onFreePort(0, []int{0, skywalkingREST, skywalkingZipkin}, func(port int) (*Server, error) {
		zipkin = fmt.Sprintf("http://127.0.0.1:%d/zipkin/api/v2", port+skywalkingZipkin)
		s, err := start("SkyWalking", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), w.Dir, w.command(jars, port))
		if err != nil {
			return nil, err
		}
		if err := s.waitFor(ctx, s.takesSpans(zipkin)); err != nil {
			s.Stop()
			return nil, err
		}
		return s, nil
	})
	return s, zipkin, err
}

func (s *Server) takesSpans(zipkin string) func(context.Context) error {
	return func(ctx context.Context) error {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", s.Addr)
		if err != nil {
			return err
		}
		_ = c.Close()
		return call(ctx, http.MethodGet, zipkin+"/services", nil)
	}
}

func (w SkyWalking) command(jars string, port int) *exec.Cmd {
	cmd := exec.Command("java", "-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dcom.linecorp.armeria.warnNettyVersions=false", "-Doap.logDir="+w.Dir,
		"-cp", filepath.Join(w.Dir, "config")+string(os.PathListSeparator)+filepath.Join(jars, "*"),
		"org.apache.skywalking.oap.server.starter.OAPServerStartUp")
	cmd.Env = append(os.Environ(), fmt.Sprint("SW_CORE_GRPC_PORT=", port), fmt.Sprint("SW_CORE_REST_PORT=", port+skywalkingREST),
		fmt.Sprint("SW_QUERY_ZIPKIN_REST_PORT=", port+skywalkingZipkin))
	return cmd
}

// configure writes what the server reads. It insists on the small files, though traces need none of them.
func (w SkyWalking) configure() error {
	files := map[string]string{
		"oal/disable.oal": "// no metric is disabled\n", "component-libraries.yml": "Unknown: {id: 1}\n",
		"endpoint-name-grouping.yml": "grouping: []\n", "service-apdex-threshold.yml": "default: 500\n",
	}
	for _, name := range []string{"application.yml", "log4j2.xml"} {
		text, err := skywalkingFiles.ReadFile("skywalking/" + name)
		if err != nil {
			return err
		}
		files[name] = string(text)
	}
	config := filepath.Join(w.Dir, "config")
	for _, dir := range []string{"oal", "otel-rules"} {
		if err := os.MkdirAll(filepath.Join(config, dir), 0o755); err != nil {
			return err
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(config, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// skywalkingJars returns a folder with the jars of skywalking/pom.xml, made once for each content of it.
func skywalkingJars(ctx context.Context) (string, error) {
	for command, debian := range map[string]string{"java": "openjdk-17-jdk-headless", "mvn": "maven"} {
		if err := Need(ctx, command, debian); err != nil {
			return "", err
		}
	}
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(cache, "skywalking.lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	list, err := skywalkingFiles.ReadFile("skywalking/pom.xml")
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(list)
	dir := filepath.Join(cache, "skywalking-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	tmp, err := os.MkdirTemp(cache, "getting-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	fmt.Fprintln(os.Stderr, "realdeps: getting SkyWalking with mvn (54 MB, once)")
	if err := os.WriteFile(filepath.Join(tmp, "pom.xml"), list, 0o644); err != nil {
		return "", err
	}
	jars := filepath.Join(tmp, "jars")
	if err := loud(ctx, "mvn", "-B", "-q", "-f", filepath.Join(tmp, "pom.xml"),
		"org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+jars); err != nil {
		return "", err
	}
	return dir, os.Rename(jars, dir)
}
