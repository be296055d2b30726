package rpc

import (
	"testing"

	"google.golang.org/grpc/health/grpc_health_v1"
)

// BenchmarkProbe measures one probe, on both ends together.
func BenchmarkProbe(b *testing.B) {
	s := serve(b, ServerOptions{Handler: chunks(1)})
	c := dialDirect(b, s.Addr())
	client := grpc_health_v1.NewHealthClient(c.pool.find(s.Addr()).conn)
	begin := cpu()
	for b.Loop() {
		if _, err := client.Check(b.Context(), &grpc_health_v1.HealthCheckRequest{Service: serviceName}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((cpu()-begin).Microseconds())/float64(b.N), "cpu-us/op")
}
