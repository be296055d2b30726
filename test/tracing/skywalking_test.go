package tracing

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"parley/test/realdeps"
	"parley/test/rig"
)

// kept is a span as SkyWalking tells it, in Zipkin's form.
type kept struct {
	TraceID       string
	ID            string
	ParentID      string
	Name          string
	Kind          string
	Tags          map[string]string
	LocalEndpoint struct{ ServiceName string }
}

// TestSkyWalking: real programs send a turn's trace to a real SkyWalking, which gives it back whole.
func TestSkyWalking(t *testing.T) {
	rig.Need(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute) // the first time it downloads
	defer cancel()
	began := time.Now()
	oap, zipkin, err := realdeps.StartSkyWalking(ctx, realdeps.SkyWalking{Dir: t.TempDir()})
	switch {
	case err != nil && os.Getenv("CI") == "true":
		t.Fatal(err)
	case err != nil:
		t.Skip("TRACES ARE NOT SHOWN TO A REAL SKYWALKING:", err)
	}
	t.Cleanup(oap.Stop)
	t.Log("SkyWalking is ready after", time.Since(began).Round(100*time.Millisecond))
	s := newStage(ctx, t, "http://"+oap.Addr, 1)
	s.say(ctx, private, private)
	s.shown(ctx, private, 1)
	s.leave()

	var spans []kept
	for limit := time.Now().Add(30 * time.Second); len(spans) < len(steps); time.Sleep(300 * time.Millisecond) {
		var traces [][]kept
		if err := ask(ctx, zipkin+"/traces?serviceName=parley-client&limit=5", &traces); err != nil {
			t.Log(err)
		}
		if len(traces) == 1 {
			s.must(ask(ctx, zipkin+"/trace/"+traces[0][0].TraceID, &spans))
		}
		if time.Now().After(limit) {
			t.Fatalf("SkyWalking has %d traces; of the first it has the spans %+v", len(traces), spans)
		}
	}
	names := map[string]string{}
	for _, k := range spans {
		names[k.ID] = k.Name
	}
	for _, want := range steps { // in small letters: so SkyWalking keeps names
		good := 0
		for _, k := range spans {
			if strings.EqualFold(k.Name, want.name) && k.LocalEndpoint.ServiceName == want.service && strings.EqualFold(names[k.ParentID], want.parent) {
				good++
			}
		}
		if good == 0 {
			t.Errorf("%s of %s within %q is missing: %+v", want.name, want.service, want.parent, spans)
		}
	}
	for _, k := range spans {
		if k.Name == "chat gpt-4o-mini" && (k.Kind != "CLIENT" || k.Tags["gen_ai.request.model"] != "gpt-4o-mini" || k.Tags["gen_ai.usage.output_tokens"] == "") {
			t.Errorf("the call to the provider: %+v", k)
		}
	}
	t.Logf("%d spans came back after %s", len(spans), time.Since(began).Round(100*time.Millisecond))
}

func ask(ctx context.Context, address string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", req.URL.Path, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}
