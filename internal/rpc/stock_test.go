package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"dubbo.apache.org/dubbo-go/v3"
	"dubbo.apache.org/dubbo-go/v3/client"
	_ "dubbo.apache.org/dubbo-go/v3/cluster/cluster/failfast"
	_ "dubbo.apache.org/dubbo-go/v3/cluster/loadbalance/random"
	_ "dubbo.apache.org/dubbo-go/v3/cluster/router/tag"
	_ "dubbo.apache.org/dubbo-go/v3/filter/echo"
	_ "dubbo.apache.org/dubbo-go/v3/filter/graceful_shutdown"
	"dubbo.apache.org/dubbo-go/v3/logger"
	_ "dubbo.apache.org/dubbo-go/v3/logger/core/zap"
	stock "dubbo.apache.org/dubbo-go/v3/protocol"
	_ "dubbo.apache.org/dubbo-go/v3/protocol/triple"
	"dubbo.apache.org/dubbo-go/v3/protocol/triple/triple_protocol"
	"dubbo.apache.org/dubbo-go/v3/registry"
	_ "dubbo.apache.org/dubbo-go/v3/registry/directory"
	_ "dubbo.apache.org/dubbo-go/v3/registry/nacos"
	_ "dubbo.apache.org/dubbo-go/v3/registry/protocol"
	"dubbo.apache.org/dubbo-go/v3/server"
	"google.golang.org/protobuf/proto"

	chatv1 "parley/api/chat/v1"
	"parley/internal/chat"
)

// The stock peers are dubbo-go as anybody would use it: its own Triple, its own registry. They run as processes of their own, because
// Parley's parts take their places within a process.

func stockInstance(o peerOptions, extra ...dubbo.InstanceOption) (*dubbo.Instance, error) {
	opts := append(extra, dubbo.WithName("stock"), dubbo.WithLogger(logger.WithZap(), logger.WithLevel("error")))
	if o.Nacos != "" {
		dir := os.TempDir()
		opts = append(opts, dubbo.WithRegistry(registry.WithNacos(), registry.WithAddress(o.Nacos), registry.WithNamespace(o.Namespace),
			registry.WithRegisterInterface(), registry.WithParams(map[string]string{"nacos.logDir": dir, "nacos.cacheDir": dir})))
	}
	return dubbo.NewInstance(opts...)
}

// StockHandler answers with the same scripts as Parley's test servers. Its name is exported because dubbo-go insists.
type StockHandler struct{ script }

// Complete is the method that dubbo-go finds.
func (h *StockHandler) complete(ctx context.Context, req *chatv1.CompleteRequest, stream *triple_protocol.ServerStream) error {
	b, err := proto.Marshal(req)
	if err != nil {
		return err
	}
	in := new(request)
	if err := in.read(b); err != nil {
		return err
	}
	return toTriple(h.script.Complete(ctx, decodeRequest(in), func(e chat.Event) error {
		m, err := encodeEvent(e)
		if err != nil {
			return err
		}
		if p, ok := m.(piece); ok {
			m = p.message()
		}
		return stream.Send(m)
	}))
}

func runStockServer(o peerOptions) error {
	_, port, _ := net.SplitHostPort(o.Listen)
	number, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	ins, err := stockInstance(o, dubbo.WithProtocol(stock.WithTriple(), stock.WithIp("127.0.0.1"), stock.WithPort(number)))
	if err != nil {
		return err
	}
	srv, err := ins.NewServer(server.WithServerFilter("echo,pshutdown"))
	if err != nil {
		return err
	}
	info := binding()
	info.Methods = info.Methods[:2] // as a release that knew no more
	info.Methods[0].ReqInitFunc = func() any { return new(chatv1.CompleteRequest) }
	info.Methods[0].MethodFunc = func(ctx context.Context, args []any, h any) (any, error) {
		return nil, h.(*StockHandler).complete(ctx, args[0].(*chatv1.CompleteRequest), args[1].(*triple_protocol.ServerStream))
	}
	info.Methods[1].MethodFunc = func(context.Context, []any, any) (any, error) {
		return triple_protocol.NewResponse(&chatv1.InspectResponse{Version: "stock"}), nil
	}
	if err := srv.Register(&StockHandler{}, info); err != nil {
		return err
	}
	go func() {
		for {
			if c, err := net.Dial("tcp", o.Listen); err == nil {
				_ = c.Close()
				fmt.Println("listening", o.Listen)
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	return srv.Serve()
}

// runStockClient asks each line of its input and prints what came back, one line each.
func runStockClient(o peerOptions) error {
	ins, err := stockInstance(o)
	if err != nil {
		return err
	}
	cli, err := ins.NewClient(client.WithClientRetries(0), client.WithClientClusterStrategy("failfast"))
	if err != nil {
		return err
	}
	var opts []client.ReferenceOption
	if o.Target != "" {
		opts = append(opts, client.WithURL("tri://"+o.Target))
	}
	conn, err := cli.DialWithInfo(serviceName, &client.ClientInfo{InterfaceName: serviceName, MethodNames: []string{methodComplete, methodInspect}}, opts...)
	if err != nil {
		return err
	}
	fmt.Println("dialed")
	for _, q := range []string{"echo 你好", "count 20 1ms", "fail rate_limited", "fail forbidden", "panic"} {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		fmt.Printf("answer %s => %s\n", q, askStock(ctx, conn, q))
		cancel()
	}
	out := new(chatv1.InspectResponse)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	err = conn.CallUnary(ctx, []any{&chatv1.InspectRequest{}}, out, methodInspect)
	fmt.Printf("answer inspect => %s %v\n", out.GetVersion(), err)
	return nil
}

func askStock(ctx context.Context, conn *client.Connection, q string) string {
	raw, err := conn.CallServerStream(ctx, &chatv1.CompleteRequest{Tenant: "acme", Question: q, Deltas: true, DeltaGapMs: 1}, methodComplete)
	if err != nil {
		return "open: " + err.Error()
	}
	stream := raw.(*triple_protocol.ServerStreamForClient)
	defer func() { _ = stream.Close() }()
	var text strings.Builder
	var last string
	for stream.Receive(new(chatv1.CompleteEvent)) {
		m := stream.Msg().(*chatv1.CompleteEvent)
		text.WriteString(m.GetDelta().GetText())
		if f := m.GetFinished(); f != nil {
			last = f.GetText()
		}
	}
	if err := stream.Err(); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Sprintf("code %d %s", triple_protocol.CodeOf(err), err)
	}
	return fmt.Sprintf("%q %q", text.String(), last)
}

func TestAStockDubboClientCallsParley(t *testing.T) {
	t.Parallel()
	tests := map[string]func(t *testing.T) peerOptions{
		"at an address": func(t *testing.T) peerOptions {
			return peerOptions{Target: serve(t, ServerOptions{Handler: &script{}, Version: "v7"}).Addr()}
		},
		"found through nacos": func(t *testing.T) peerOptions {
			nacos, ns := nacosForTest(t)
			o := peerOptions{Nacos: nacos, Namespace: ns}
			s := serve(t, ServerOptions{Handler: &script{}, Version: "v7", Registry: o.registry()})
			<-s.Ready()
			return o
		},
	}
	for name, options := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var count strings.Builder
			for i := range 20 {
				fmt.Fprintf(&count, "%d ", i)
			}
			want := []struct{ q, answer string }{
				{"echo 你好", `"" "echo echo 你好"`},
				{"count 20 1ms", fmt.Sprintf("%q %q", count.String(), count.String())},
				{"fail rate_limited", "code 8"},
				{"fail forbidden", "code 7"},
				{"panic", "code 13"},
				{"inspect", "v7 <nil>"},
			}
			p := startPeer(t, "stock-client", options(t), "dialed")
			for _, w := range want {
				if got := p.await("answer " + w.q + " => "); !strings.HasPrefix(got, w.answer) {
					t.Errorf("%s: got %s, want %s", w.q, got, w.answer)
				}
			}
			if err := p.wait(); err != nil {
				t.Errorf("the client ended with %v", err)
			}
		})
	}
}

func TestParleyCallsAStockDubboServer(t *testing.T) {
	t.Parallel()
	s := startPeer(t, "stock-server", peerOptions{Listen: freePort(t)}, "listening")
	c := dialDirect(t, s.addr)
	r := start(t, t.Context(), c, "count 20 1ms")
	if err := r.wait(t); err != nil || !slices.Equal(strings.Fields(r.reply.Text), strings.Fields("0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19")) {
		t.Errorf("got %q, %v", r.reply.Text, err)
	}
	_, err := ask(t.Context(), c, "fail rate_limited")
	wantKind(t, err, chat.RateLimited)
	if e, _ := errors.AsType[*chat.Error](err); e.RetryAfter != 1500*time.Millisecond {
		t.Errorf("RetryAfter %v", e.RetryAfter)
	}
	st, err := c.Inspect(t.Context(), s.addr)
	if err != nil || st.Version != "stock" {
		t.Errorf("Inspect: %+v, %v", st, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = ask(ctx, c, "silent")
	wantKind(t, err, chat.Timeout)
	held := start(t, t.Context(), c, "silent")
	held.awaitStart(t)
	s.signal(syscall.SIGKILL)
	wantKind(t, held.wait(t), chat.Unavailable)
}
