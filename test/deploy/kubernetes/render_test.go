package kubernetes

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

const root = "../../.."

// valueSets are what the chart is rendered with, beginning with what the committed manifests come from.
var valueSets = map[string]string{
	"manifests": root + "/deploy/kubernetes/values.yaml",
	"plain":     "testdata/plain.yaml",
	"full":      "testdata/full.yaml",
}

// release is what helm would install, by kind and name.
type release struct {
	accounts    map[string]*corev1.ServiceAccount
	configs     map[string]*corev1.ConfigMap
	deployments map[string]*appsv1.Deployment
	services    map[string]*corev1.Service
	ingresses   map[string]*networkingv1.Ingress
	policies    map[string]*networkingv1.NetworkPolicy
	budgets     map[string]*policyv1.PodDisruptionBudget
	scalers     map[string]*autoscalingv2.HorizontalPodAutoscaler
	certs       map[string]*certificate
	monitors    int
}

// certificate is as much of cert-manager's kind as the chart writes; Kubernetes' own types have no such kind.
type certificate struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Metadata   map[string]any `json:"metadata"`
	Spec       struct {
		SecretName  string            `json:"secretName"`
		Duration    string            `json:"duration"`
		RenewBefore string            `json:"renewBefore"`
		PrivateKey  map[string]any    `json:"privateKey"`
		Usages      []string          `json:"usages"`
		CommonName  string            `json:"commonName"`
		DNSNames    []string          `json:"dnsNames"`
		URIs        []string          `json:"uris"`
		IssuerRef   map[string]string `json:"issuerRef"`
	} `json:"spec"`
}

// helmTool is the helm that scripts/tools.sh pins.
func helmTool(t *testing.T) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-c", ". scripts/tools.sh && helm")
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("no helm: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// template runs helm template, and gives what it wrote or what it said.
func template(ctx context.Context, helm string, args ...string) (string, error) {
	args = append([]string{"template", "parley", root + "/deploy/helm/parley", "--namespace", "parley", "--kube-version", "1.31.0"}, args...)
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, helm, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", errors.New(stderr.String())
	}
	return stdout.String(), nil
}

func render(t *testing.T, values string) *release {
	t.Helper()
	out, err := template(t.Context(), helmTool(t), "-f", values)
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, out)
}

// decode refuses documents of kinds that are not known, and keys that their kind does not have or has twice.
func decode(t *testing.T, manifests string) *release {
	t.Helper()
	r := &release{
		accounts: map[string]*corev1.ServiceAccount{}, configs: map[string]*corev1.ConfigMap{}, deployments: map[string]*appsv1.Deployment{},
		services: map[string]*corev1.Service{}, ingresses: map[string]*networkingv1.Ingress{}, policies: map[string]*networkingv1.NetworkPolicy{},
		budgets: map[string]*policyv1.PodDisruptionBudget{}, scalers: map[string]*autoscalingv2.HorizontalPodAutoscaler{}, certs: map[string]*certificate{},
	}
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	for _, doc := range strings.Split("\n"+manifests, "\n---\n") {
		if !strings.Contains(doc, "kind:") {
			continue
		}
		switch {
		case strings.Contains(doc, "kind: Certificate\n"):
			var c certificate
			if err := yaml.UnmarshalStrict([]byte(doc), &c); err != nil {
				t.Fatalf("%v in\n%s", err, doc)
			}
			r.certs[c.Spec.SecretName] = &c
			continue
		case strings.Contains(doc, "kind: PodMonitor\n"):
			r.monitors++
			continue
		}
		obj, _, err := decoder.Decode([]byte(doc), nil, nil)
		if err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		r.add(t, obj)
	}
	return r
}

func (r *release) add(t *testing.T, obj runtime.Object) {
	t.Helper()
	ok := false
	switch o := obj.(type) {
	case *corev1.ServiceAccount:
		ok = put(r.accounts, o.Namespace, o.Name, o)
	case *corev1.ConfigMap:
		ok = put(r.configs, o.Namespace, o.Name, o)
	case *appsv1.Deployment:
		ok = put(r.deployments, o.Namespace, o.Name, o)
	case *corev1.Service:
		ok = put(r.services, o.Namespace, o.Name, o)
	case *networkingv1.Ingress:
		ok = put(r.ingresses, o.Namespace, o.Name, o)
	case *networkingv1.NetworkPolicy:
		ok = put(r.policies, o.Namespace, o.Name, o)
	case *policyv1.PodDisruptionBudget:
		ok = put(r.budgets, o.Namespace, o.Name, o)
	case *autoscalingv2.HorizontalPodAutoscaler:
		ok = put(r.scalers, o.Namespace, o.Name, o)
	default:
		t.Fatalf("nobody judges a %T", obj)
	}
	if !ok {
		t.Fatalf("a %T is there twice, or outside its namespace: %v", obj, obj)
	}
}

func put[T any](all map[string]T, namespace, name string, o T) bool {
	_, twice := all[name]
	all[name] = o
	return !twice && namespace == "parley" && name != "" && len(name) <= 63
}

// TestDecodingIsStrict holds the decoder itself to what the tests rely on.
func TestDecodingIsStrict(t *testing.T) {
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	_, _, err := decoder.Decode([]byte("apiVersion: apps/v1\nkind: Deployment\nspec: {template: {spec: {containers: [{imag: x}]}}}\n"), nil, nil)
	if err == nil || !strings.Contains(err.Error(), `unknown field "spec.template.spec.containers[0].imag"`) {
		t.Errorf("a misspelt key: %v", err)
	}
}

// TestCommittedManifestsDecode reads the files that people apply.
func TestCommittedManifestsDecode(t *testing.T) {
	files, err := filepath.Glob(root + "/deploy/kubernetes/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(f) != "values.yaml" {
			all = append(all, string(raw))
		}
	}
	r := decode(t, strings.Join(all, "\n---\n"))
	if len(r.deployments) != 4 || len(r.policies) != 4 || len(r.scalers) != 3 {
		t.Errorf("%d deployments, %d network policies, %d scalers", len(r.deployments), len(r.policies), len(r.scalers))
	}
}
