package kubernetes

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
)

// parley builds the product once.
var parley = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "parley")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "parley")
	cmd := exec.Command("go", "build", "-o", bin, "./cmd/parley")
	cmd.Dir, cmd.Stderr = root, os.Stderr
	return bin, cmd.Run()
})

func TestMain(m *testing.M) {
	status := m.Run()
	if bin, err := parley(); err == nil {
		_ = os.RemoveAll(filepath.Dir(bin))
	}
	os.Exit(status)
}

// TestTheProductTakesItsConfiguration lays out each pod's files as its volumes have them, and runs `parley check` in the pod's environment:
// a file that the configuration names and no volume brings is a fault.
func TestTheProductTakesItsConfiguration(t *testing.T) {
	bin, err := parley()
	if err != nil {
		t.Fatal(err)
	}
	eachRelease(t, func(t *testing.T, r *release) {
		for name, d := range r.deployments {
			c := container(d)
			dir := t.TempDir()
			r.materialise(t, d, dir)
			if len(c.Args) != 3 || c.Args[0] != component(d) || c.Args[1] != "--config" {
				t.Fatalf("%s runs parley %v", name, c.Args)
			}
			cmd := exec.CommandContext(t.Context(), bin, "check", filepath.Join(dir, c.Args[2]))
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
			for _, e := range c.Env {
				value := e.Value
				if e.ValueFrom != nil {
					value = "10.244.0.7" // the pod's address
				}
				cmd.Env = append(cmd.Env, e.Name+"="+value)
			}
			if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("ok ("+component(d)+")")) {
				t.Errorf("%s: %v\n%s", name, err, out)
			}
			for _, e := range c.Env {
				if strings.HasPrefix(e.Name, "PARLEY_") && !strings.HasPrefix(e.Name, "PARLEY_LOG") && e.Name != "PARLEY_RPC_ADVERTISE" {
					t.Errorf("%s: %s would win over its ConfigMap", name, e.Name)
				}
			}
		}
	})
}

// secretKeys are the keys that Secrets must have, by where they are mounted: docs/deployment.md lists the same.
var secretKeys = map[string][]string{
	"/run/secrets/_static": {"redis-password", "nacos-password", "console-admin", "console-ann", "console-bob"},
	"/run/secrets/_routes": {"openai"},
	"/etc/parley/tls":      {"ca.crt", "tls.crt", "tls.key"},
	"/etc/parley/web":      {"tls.crt", "tls.key"},
	"/etc/parley/redis-ca": {"ca.crt"},
	"/etc/parley/nacos-ca": {"ca.crt"},
}

// materialise writes below dir what the deployment's volumes hold, its configuration's paths changed to lie there.
func (r *release) materialise(t *testing.T, d *appsv1.Deployment, dir string) {
	t.Helper()
	cert, key := keyPair(t)
	moved := strings.NewReplacer("/etc/parley/", dir+"/etc/parley/", "/run/secrets", dir+"/run/secrets", "/var/lib/parley", dir+"/var/lib/parley")
	for _, m := range container(d).VolumeMounts {
		files := map[string]string{}
		for _, v := range d.Spec.Template.Spec.Volumes {
			switch {
			case v.Name != m.Name:
			case v.ConfigMap != nil:
				if r.configs[v.ConfigMap.Name] == nil {
					t.Fatalf("the ConfigMap %s is not there", v.ConfigMap.Name)
				}
				for name, text := range r.configs[v.ConfigMap.Name].Data {
					files[name] = moved.Replace(text)
				}
			case v.Secret != nil:
				for _, name := range secretKeys[m.MountPath] {
					files[name] = map[string]string{".crt": cert, ".key": key}[filepath.Ext(name)]
					if files[name] == "" {
						files[name] = hashed
					}
				}
			case v.EmptyDir == nil:
				t.Errorf("%s: the volume %s is none of the known", d.Name, v.Name)
			}
		}
		if err := os.MkdirAll(dir+m.MountPath, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, m.MountPath, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// hashed does for any secret here: it is what `parley console hash` prints for some password.
const hashed = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

func keyPair(t *testing.T) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "parley-server"}, DNSNames: []string{"parley-server"}, IsCA: true,
		BasicConstraintsValid: true, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * 90 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}
