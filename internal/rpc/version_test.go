package rpc

import (
	"context"
	"net"
	"strconv"
	"strings"
	"testing"

	"dubbo.apache.org/dubbo-go/v3/registry"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	chatv1 "parley/api/chat/v1"
	"parley/internal/chat"
)

func TestVersionsFit(t *testing.T) {
	for _, c := range []struct {
		name           string
		client, server version
		want           string
	}{
		{"the same", version{1, 1}, version{1, 1}, ""},
		{"a newer server that takes older clients", version{1, 1}, version{3, 1}, ""},
		{"a newer client that takes older servers", version{3, 1}, version{1, 1}, ""},
		{"a server that needs more", version{1, 1}, version{3, 2}, "clients that speak protocol 2, and this one speaks 1: upgrade the client service"},
		{"a client that needs more", version{3, 2}, version{1, 1}, "speaks protocol 1, and this client needs 2: upgrade the server"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.client.misfit(c.server)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	if v := ofURL(instanceEvent("127.0.0.1", "1", nil).Service); v != (version{1, 1}) {
		t.Errorf("a release before versions is %v", v)
	}
}

// picky serves and takes clients of one version and later only.
func picky(t *testing.T, needs int, h Handler) *Server {
	t.Helper()
	s, err := NewServer(ServerOptions{Listen: "127.0.0.1:0", Registry: Registry{Mode: ModeDirect}, Handler: h, Linger: 1})
	if err != nil {
		t.Fatal(err)
	}
	s.service.protocol = version{speaks: needs, needs: needs}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return s
}

func TestServerRefusesAClientThatIsTooOld(t *testing.T) {
	t.Parallel()
	s := picky(t, 2, &script{})
	conn, err := grpc.NewClient(s.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	for speaks, want := range map[uint32]codes.Code{0: codes.FailedPrecondition, 1: codes.FailedPrecondition, 2: codes.OK, 9: codes.OK} {
		t.Run(strconv.Itoa(int(speaks)), func(t *testing.T) {
			stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true}, "/"+serviceName+"/Complete")
			if err != nil {
				t.Fatal(err)
			}
			if err := stream.SendMsg(&chatv1.CompleteRequest{Tenant: "acme", Question: "hello", Protocol: speaks}); err != nil {
				t.Fatal(err)
			}
			err = stream.RecvMsg(new(chatv1.CompleteEvent))
			if status.Code(err) != want {
				t.Fatalf("%v, want %v", err, want)
			}
			if want != codes.OK && !strings.Contains(err.Error(), "needs clients that speak protocol 2, and this one speaks "+strconv.Itoa(int(max(speaks, 1)))) {
				t.Errorf("%v", err)
			}
		})
	}
}

// Where no registry tells, the refusal does: the turn goes on elsewhere, and nothing is sent there any more.
func TestClientLeavesOutWhoRefusesIt(t *testing.T) {
	t.Parallel()
	strange := picky(t, 2, &script{})
	c := dialDirect(t, strange.Addr())
	_, err := ask(t.Context(), c, "hello")
	wantKind(t, err, chat.Unavailable)
	if codeOfError(err) != chat.CodeInstance {
		t.Errorf("%v: the turn would not go on elsewhere", err)
	}
	if in := instance(c, strange.Addr()); !strings.Contains(in.Misfit, "upgrade the client service") || !in.Up {
		t.Errorf("%+v", in)
	}
	_, err = ask(t.Context(), c, "hello")
	if codeOfError(err) != chat.CodeNoInstance || !strings.Contains(err.Error(), "1 of another protocol") {
		t.Errorf("%v", err)
	}
}

func TestConnectionLostForgetsARefusal(t *testing.T) {
	t.Parallel()
	strange := picky(t, 2, &script{})
	c := dialDirect(t, strange.Addr())
	_, _ = ask(t.Context(), c, "hello")
	if instance(c, strange.Addr()).Misfit == "" {
		t.Fatal("it is not left out")
	}
	strange.transport.grpc.Stop()
	eventually(t, "the refusal is forgotten", func() bool { return instance(c, strange.Addr()).Misfit == "" })
}

// Where a registry tells, nothing is ever sent there.
func TestClientLeavesOutWhoDoesNotFit(t *testing.T) {
	t.Parallel()
	p, _ := pretend(t)
	var ports []string // of servers: a probe that fails would leave an instance out, too
	for range 3 {
		_, port, _ := net.SplitHostPort(serve(t, ServerOptions{Handler: &script{}}).Addr())
		ports = append(ports, port)
	}
	tell := func(port string, params ...[2]string) *registry.ServiceEvent {
		return instanceEvent("127.0.0.1", port, params)
	}
	list := func(needs string) []*registry.ServiceEvent {
		return []*registry.ServiceEvent{
			tell(ports[0], [2]string{paramSpeaks, "9"}, [2]string{paramNeeds, needs}),
			tell(ports[1], [2]string{paramSpeaks, "9"}, [2]string{paramNeeds, "1"}),
			tell(ports[2]), // of a release before versions
		}
	}
	left := func() (out []string) {
		for _, in := range p.instances() {
			if in.Misfit != "" {
				out = append(out, in.Address)
			}
		}
		return out
	}
	p.NotifyAll(list("9"), func() {})
	if got := strings.Join(left(), " "); got != "127.0.0.1:"+ports[0] {
		t.Errorf("left out: %s", got)
	}
	if n := len(p.List(nil)); n != 2 {
		t.Errorf("%d can be called", n)
	}
	p.NotifyAll(list("1"), func() {}) // it was upgraded, or this is another on its address
	if got := left(); len(got) > 0 || len(p.List(nil)) != 3 {
		t.Errorf("left out: %v, %d can be called", got, len(p.List(nil)))
	}
}

func TestServerTellsItsVersion(t *testing.T) {
	t.Parallel()
	s := serve(t, ServerOptions{Handler: &script{}})
	in, err := nacosInstance(s.url)
	if err != nil || in.Metadata[paramSpeaks] != "1" || in.Metadata[paramNeeds] != "1" {
		t.Errorf("in the registry: %v, %v", in.Metadata, err)
	}
	other := in
	other.Metadata = map[string]string{paramSpeaks: "1", paramNeeds: "2"}
	if sameInstance(in, other) {
		t.Error("a change of versions would not be told")
	}
}
