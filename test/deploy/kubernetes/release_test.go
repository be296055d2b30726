package kubernetes

import (
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"
)

func eachRelease(t *testing.T, judge func(*testing.T, *release)) {
	for name, values := range valueSets {
		t.Run(name, func(t *testing.T) { judge(t, render(t, values)) })
	}
}

// selected are the deployments whose pods a selector means.
func (r *release) selected(t *testing.T, s *metav1.LabelSelector) (names []string) {
	t.Helper()
	sel, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		t.Fatal(err)
	}
	for name, d := range r.deployments {
		if sel.Matches(labels.Set(d.Spec.Template.Labels)) {
			names = append(names, name)
		}
	}
	return names
}

func component(d *appsv1.Deployment) string { return d.Labels["app.kubernetes.io/component"] }

func container(d *appsv1.Deployment) corev1.Container { return d.Spec.Template.Spec.Containers[0] }

func port(c corev1.Container, p intstr.IntOrString) int32 {
	for _, have := range c.Ports {
		if have.Name == p.StrVal || have.ContainerPort == p.IntVal {
			return have.ContainerPort
		}
	}
	return 0
}

func TestSelectorsMeanOneDeploymentEach(t *testing.T) {
	eachRelease(t, func(t *testing.T, r *release) {
		one := func(kind, name string, s *metav1.LabelSelector) {
			t.Helper()
			if got := r.selected(t, s); !slices.Equal(got, []string{name}) {
				t.Errorf("the %s %s selects the pods of %v", kind, name, got)
			}
		}
		for name, d := range r.deployments {
			one("Deployment", name, d.Spec.Selector)
			for _, spread := range d.Spec.Template.Spec.TopologySpreadConstraints {
				one("spread of", name, spread.LabelSelector)
			}
			if component(d) != "console" && len(r.budgets) > 0 && r.budgets[name] == nil {
				t.Errorf("%s has no disruption budget", name)
			}
			if len(r.policies) > 0 && r.policies[name] == nil {
				t.Errorf("%s has no network policy", name)
			}
		}
		for name, b := range r.budgets {
			one("PodDisruptionBudget", name, b.Spec.Selector)
			if b.Spec.MaxUnavailable.IntValue() != 1 {
				t.Errorf("%s may lose %v pods at a time", name, b.Spec.MaxUnavailable)
			}
		}
		for name, p := range r.policies {
			one("NetworkPolicy", name, &p.Spec.PodSelector)
		}
		for name, s := range r.services {
			one("Service", name, &metav1.LabelSelector{MatchLabels: s.Spec.Selector})
			for _, p := range s.Spec.Ports {
				if port(container(r.deployments[name]), p.TargetPort) == 0 {
					t.Errorf("the Service %s leads to a port %v that nobody has", name, p.TargetPort)
				}
			}
		}
		for name, i := range r.ingresses {
			backend := i.Spec.Rules[0].HTTP.Paths[0].Backend.Service
			s := r.services[backend.Name]
			if s == nil || s.Spec.Ports[0].Name != backend.Port.Name {
				t.Errorf("the Ingress %s leads to %v, which is not there", name, backend)
			}
		}
		for name, h := range r.scalers {
			d := r.deployments[h.Spec.ScaleTargetRef.Name]
			if d == nil || d.Spec.Replicas != nil {
				t.Errorf("%s scales %v: it must be there, and not say how many replicas it has", name, h.Spec.ScaleTargetRef.Name)
			}
			if *h.Spec.MinReplicas < 2 || h.Spec.MaxReplicas <= *h.Spec.MinReplicas {
				t.Errorf("%s scales from %d to %d", name, *h.Spec.MinReplicas, h.Spec.MaxReplicas)
			}
		}
	})
}

func TestPodsAreLockedDown(t *testing.T) {
	eachRelease(t, func(t *testing.T, r *release) {
		for name, d := range r.deployments {
			p, c := d.Spec.Template.Spec, container(d)
			if r.accounts[p.ServiceAccountName] == nil {
				t.Errorf("%s: the account %s is not there", name, p.ServiceAccountName)
			}
			s := c.SecurityContext
			locked := len(p.Containers) == 1 && !*p.AutomountServiceAccountToken && !*p.EnableServiceLinks && *p.SecurityContext.RunAsNonRoot &&
				*p.SecurityContext.RunAsUser == 65532 && p.SecurityContext.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault &&
				!*s.AllowPrivilegeEscalation && *s.ReadOnlyRootFilesystem && slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) &&
				!p.HostNetwork && !p.HostPID && !p.HostIPC && len(s.Capabilities.Add) == 0
			if !locked {
				t.Errorf("%s may do more than it needs: %v %v", name, p.SecurityContext, s)
			}
			for _, v := range p.Volumes {
				if v.Secret != nil && *v.Secret.DefaultMode != 0o440 || v.HostPath != nil {
					t.Errorf("%s: the volume %s is open to others", name, v.Name)
				}
			}
			for _, want := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
				if q := c.Resources.Requests[want]; q.IsZero() {
					t.Errorf("%s asks for no %s", name, want)
				}
			}
			if q := c.Resources.Limits[corev1.ResourceCPU]; !q.IsZero() {
				t.Errorf("%s is throttled", name)
			}
		}
	})
}

func TestProbesAskWhatTheOpsAddressAnswers(t *testing.T) {
	eachRelease(t, func(t *testing.T, r *release) {
		for name, d := range r.deployments {
			c := container(d)
			for probe, path := range map[*corev1.Probe]string{c.StartupProbe: "/healthz", c.LivenessProbe: "/healthz", c.ReadinessProbe: "/readyz"} {
				if probe == nil || probe.HTTPGet.Path != path || port(c, probe.HTTPGet.Port) != 9080 {
					t.Errorf("%s: a probe of %s is missing, or asks elsewhere", name, path)
				}
			}
		}
	})
}

// settings are what these tests read of a pod's configuration.
type settings struct {
	HTTP     struct{ Listen, Ops string }
	RPC      struct{ Listen string }
	Redis    struct{ Addrs []string }
	Registry struct{ Nacos struct{ Addrs []string } }
	Limits   struct{ Turns, Streams int }
	Outbound []string
	Shutdown struct{ Linger, Grace string }
}

func (r *release) settings(t *testing.T, name string) (s settings) {
	t.Helper()
	for _, text := range r.configs[name].Data {
		if err := yaml.Unmarshal([]byte(text), &s); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// TestPodsMayEndTheirTurns: a turn takes 180 s unless parley-routes says otherwise, and a server lets streams end for 190 s (internal/app).
func TestPodsMayEndTheirTurns(t *testing.T) {
	turns := map[string]time.Duration{"manifests": 180 * time.Second, "plain": 180 * time.Second, "full": 300 * time.Second}
	for set, values := range valueSets {
		r, turn := render(t, values), turns[set]
		for name, d := range r.deployments {
			s := r.settings(t, name)
			has := time.Duration(*d.Spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second
			var needs time.Duration
			switch component(d) {
			case "server":
				needs = max(turn, 190*time.Second) + 10*time.Second
			case "client":
				needs = turn + 5*time.Second + duration(t, s.Shutdown.Linger) + duration(t, s.Shutdown.Grace)
			case "console":
				continue
			}
			if has < needs {
				t.Errorf("%s, %s: ends after %v, and may need %v", set, name, has, needs)
			}
		}
	}
}

func duration(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestMemoryIsForTheLimits compares what is asked for with what docs/operations.md says that a turn and a stream take.
func TestMemoryIsForTheLimits(t *testing.T) {
	for _, set := range []string{"manifests", "plain"} {
		r := render(t, valueSets[set])
		for name, d := range r.deployments {
			s, q := r.settings(t, name), container(d).Resources.Limits[corev1.ResourceMemory]
			if needs := int64(150<<20 + s.Limits.Turns*60<<10 + s.Limits.Streams*100<<10); q.Value() < needs || q.Value() > needs+needs/2+150<<20 {
				t.Errorf("%s, %s: %v for %d turns, %d streams", set, name, q.String(), s.Limits.Turns, s.Limits.Streams)
			}
		}
	}
}

// TestCertificatesNameWhomTheySpeakFor reads what cert-manager is asked for.
func TestCertificatesNameWhomTheySpeakFor(t *testing.T) {
	r := render(t, valueSets["full"])
	for secret, want := range map[string][]string{
		"chat-client-acme-tls":   {"parley://tenant/acme", "parley://tenant/acme-eu"},
		"chat-client-globex-tls": {"parley://tenant/globex"},
		"chat-server-tls":        {"parley://server"},
		"chat-console-tls":       {"parley://tenant/*"},
	} {
		c := r.certs[secret]
		if c == nil || !slices.Equal(c.Spec.URIs, want) || c.Spec.IssuerRef["name"] != "parley-ca" {
			t.Errorf("%s is asked for as %+v", secret, c)
		}
	}
	if len(r.certs) != 4 || r.monitors != 1 {
		t.Errorf("%d certificates, %d monitors", len(r.certs), r.monitors)
	}
}
