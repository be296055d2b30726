package kubernetes

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// end is one end of a connection: a pod by its namespace and labels, or an address outside.
type end struct {
	namespace string
	labels    map[string]string
	addr      netip.Addr
}

// allows says whether a list of peers and ports lets a connection through, as Kubernetes reads it: an empty list is everybody, every port.
func allows(t *testing.T, peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort, other end, port int) bool {
	t.Helper()
	if len(ports) > 0 && !slices.ContainsFunc(ports, func(p networkingv1.NetworkPolicyPort) bool { return p.Port.IntValue() == port }) {
		return false
	}
	return len(peers) == 0 || slices.ContainsFunc(peers, func(p networkingv1.NetworkPolicyPeer) bool { return means(t, p, other) })
}

func means(t *testing.T, p networkingv1.NetworkPolicyPeer, e end) bool {
	t.Helper()
	if p.IPBlock != nil {
		inside := func(cidr string) bool { return netip.MustParsePrefix(cidr).Contains(e.addr) }
		return e.addr.IsValid() && inside(p.IPBlock.CIDR) && !slices.ContainsFunc(p.IPBlock.Except, inside)
	}
	fits := func(s *metav1.LabelSelector, have map[string]string, without bool) bool {
		if s == nil {
			return without
		}
		sel, err := metav1.LabelSelectorAsSelector(s)
		if err != nil {
			t.Fatal(err)
		}
		return sel.Matches(labels.Set(have))
	}
	names := map[string]string{"kubernetes.io/metadata.name": e.namespace}
	return e.namespace != "" && fits(p.NamespaceSelector, names, e.namespace == "parley") && fits(p.PodSelector, e.labels, true)
}

func (r *release) leaves(t *testing.T, from string, to end, port int) bool {
	t.Helper()
	return slices.ContainsFunc(r.policies[from].Spec.Egress, func(rule networkingv1.NetworkPolicyEgressRule) bool {
		return allows(t, rule.To, rule.Ports, to, port)
	})
}

func (r *release) enters(t *testing.T, to string, from end, port int) bool {
	t.Helper()
	return slices.ContainsFunc(r.policies[to].Spec.Ingress, func(rule networkingv1.NetworkPolicyIngressRule) bool {
		return allows(t, rule.From, rule.Ports, from, port)
	})
}

// connects says whether both policies of a connection between two of our pods let it through.
func (r *release) connects(t *testing.T, from, to string, port int) bool {
	t.Helper()
	pod := func(name string) end {
		return end{namespace: "parley", labels: r.deployments[name].Spec.Template.Labels}
	}
	return r.leaves(t, from, pod(to), port) && r.enters(t, to, pod(from), port)
}

var (
	outside = end{addr: netip.MustParseAddr("120.92.1.1")}
	inhouse = end{addr: netip.MustParseAddr("10.1.2.3")}
	cloud   = end{addr: netip.MustParseAddr("169.254.169.254")}
	dns     = end{namespace: "kube-system", labels: map[string]string{"k8s-app": "kube-dns"}}
	data    = end{namespace: "data", labels: map[string]string{"app": "any"}}
	ingress = end{namespace: "ingress-nginx", labels: map[string]string{"app": "any"}}
	metrics = end{namespace: "monitoring", labels: map[string]string{"app": "any"}}
	other   = end{namespace: "other", labels: map[string]string{"app.kubernetes.io/name": "parley", "app.kubernetes.io/instance": "parley"}}
)

// TestNetworksLetThroughWhatIsNeededAlone derives the connections that are needed from each pod's own configuration.
func TestNetworksLetThroughWhatIsNeededAlone(t *testing.T) {
	for _, set := range []string{"manifests", "full"} {
		t.Run(set, func(t *testing.T) {
			r := render(t, valueSets[set])
			for name, d := range r.deployments {
				s := r.settings(t, name)
				must := func(ok bool, what string, port int) {
					t.Helper()
					if !ok {
						t.Errorf("%s: no way %s on port %d", name, what, port)
					}
				}
				never := func(open bool, what string, port int) {
					t.Helper()
					if open {
						t.Errorf("%s: there is a way %s on port %d", name, what, port)
					}
				}
				must(r.leaves(t, name, dns, 53), "to the name service", 53)
				must(r.enters(t, name, metrics, portOf(t, s.HTTP.Ops)), "for metrics", portOf(t, s.HTTP.Ops))
				never(r.enters(t, name, other, portOf(t, s.HTTP.Ops)), "for other namespaces", portOf(t, s.HTTP.Ops))
				for _, addr := range s.Registry.Nacos.Addrs {
					must(r.leaves(t, name, data, portOf(t, addr)), "to Nacos", portOf(t, addr))
					must(r.leaves(t, name, data, portOf(t, addr)+1000), "to Nacos by gRPC", portOf(t, addr)+1000)
				}
				for _, addr := range s.Redis.Addrs {
					must(r.leaves(t, name, data, portOf(t, addr)), "to Redis", portOf(t, addr))
				}
				never(r.leaves(t, name, cloud, 80), "to the cloud's metadata", 80)
				never(r.leaves(t, name, inhouse, 443), "to the house's own network", 443)
				triple, server := 0, ""
				for peer, p := range r.deployments {
					if component(p) == "server" {
						triple, server = portOf(t, r.settings(t, peer).RPC.Listen), peer
					}
				}
				must(r.connects(t, name, server, triple), "to servers", triple)
				switch component(d) {
				case "server":
					for _, o := range s.Outbound {
						must(r.leaves(t, name, outside, originPort(t, o)), "to "+o, originPort(t, o))
					}
					never(r.leaves(t, name, data, 6379), "to Redis", 6379)
					never(r.enters(t, name, other, triple), "for another namespace", triple)
					never(r.enters(t, name, ingress, triple), "for the ingress", triple)
				case "client":
					must(r.leaves(t, name, outside, 443), "to the platforms", 443)
					fallthrough
				case "console":
					must(r.enters(t, name, ingress, portOf(t, s.HTTP.Listen)), "for the ingress", portOf(t, s.HTTP.Listen))
					never(r.enters(t, name, other, portOf(t, s.HTTP.Listen)), "around the ingress", portOf(t, s.HTTP.Listen))
					never(r.connects(t, server, name, portOf(t, s.HTTP.Listen)), "from servers", portOf(t, s.HTTP.Listen))
				}
			}
		})
	}
	if r := render(t, valueSets["full"]); !r.leaves(t, "chat-client-acme", outside, 8081) || r.leaves(t, "chat-client-globex", outside, 8081) {
		t.Error("a platform at a port of its own is reached by all, or by nobody")
	}
}

func portOf(t *testing.T, addr string) int {
	t.Helper()
	_, p, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(p)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func originPort(t *testing.T, origin string) int {
	t.Helper()
	scheme, host, _ := strings.Cut(origin, "://")
	switch {
	case strings.Contains(host, ":"):
		return portOf(t, host)
	case scheme == "http":
		return 80
	}
	return 443
}

// TestPortsAreTheContainers holds what the configuration listens on to what the pod declares.
func TestPortsAreTheContainers(t *testing.T) {
	eachRelease(t, func(t *testing.T, r *release) {
		for name, d := range r.deployments {
			s := r.settings(t, name)
			var want []int32
			for _, addr := range []string{s.HTTP.Listen, s.RPC.Listen, s.HTTP.Ops} {
				if addr != "" {
					want = append(want, int32(portOf(t, addr)))
				}
			}
			var got []int32
			for _, p := range container(d).Ports {
				got = append(got, p.ContainerPort)
				if p.Protocol != "" && p.Protocol != corev1.ProtocolTCP {
					t.Errorf("%s: %v", name, p)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s declares %v and listens on %v", name, got, want)
			}
		}
	})
}
