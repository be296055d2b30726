package rpc

import (
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	chatv1 "parley/api/chat/v1"
)

// TestAnyGRPCClient uses a server as a client does that knows nothing of Parley but its .proto file.
func TestAnyGRPCClient(t *testing.T) {
	t.Parallel()
	s := serve(t, ServerOptions{Handler: &script{}, Version: "v7"})
	conn, err := grpc.NewClient(s.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	for name, method := range map[string]string{"as in the .proto file": "Inspect", "as Dubbo consumers in Java write it": "inspect"} {
		t.Run(name, func(t *testing.T) {
			out := new(chatv1.InspectResponse)
			if err := conn.Invoke(t.Context(), "/"+serviceName+"/"+method, &chatv1.InspectRequest{}, out); err != nil || out.GetVersion() != "v7" {
				t.Errorf("got %v, %v", out, err)
			}
		})
	}
	t.Run("a method that is none", func(t *testing.T) {
		err := conn.Invoke(t.Context(), "/"+serviceName+"/Forget", &chatv1.InspectRequest{}, new(chatv1.InspectResponse))
		if status.Code(err) != codes.Unimplemented {
			t.Errorf("got %v", err)
		}
	})
	t.Run("health", func(t *testing.T) {
		for _, service := range []string{"", serviceName} {
			res, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service})
			if err != nil || res.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
				t.Errorf("%q: %v, %v", service, res, err)
			}
		}
	})
	t.Run("reflection", func(t *testing.T) {
		stream, err := grpc_reflection_v1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ask := &grpc_reflection_v1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: serviceName}
		if err := stream.Send(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: ask}); err != nil {
			t.Fatal(err)
		}
		res, err := stream.Recv()
		if err != nil || len(res.GetFileDescriptorResponse().GetFileDescriptorProto()) == 0 {
			t.Errorf("the service's description: %v, %v", res, err)
		}
	})
}
