package observability

import (
	"net"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// collector takes traces and forgets them, or refuses them.
type collector struct {
	addr    string
	refuses atomic.Bool
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{addr: l.Addr().String()}
	s := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		var spans emptypb.Empty // what they are does not matter
		if err := stream.RecvMsg(&spans); err != nil {
			return err
		}
		if c.refuses.Load() {
			return status.Error(codes.PermissionDenied, "no")
		}
		return stream.SendMsg(&emptypb.Empty{}) // as an answer without a word is
	}))
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return c
}

// env has a process send it all its traces.
func (c *collector) env() []string {
	return []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + c.addr, "OTEL_TRACES_SAMPLER_ARG=1"}
}
