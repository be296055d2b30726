package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"parley/internal/sim/llm"
	"parley/test/crowd"
)

// switches are many changes of the switch under load, to and fro. The switch moves one tenant in ten.
type switches struct {
	Rate   int `json:"rate"`
	Number int `json:"switches"`
	// Settle is how long the servers stand before the first one: the switch's document does not exist until then.
	Settle time.Duration `json:"settle_ns"`
	Gap    time.Duration `json:"gap_ns"` // between a switch in force everywhere and the next, at least
	Ways   []string      `json:"ways"`   // of each pair, there and back, in turn
	Seed   uint64        `json:"seed"`
}

type switchesResult struct {
	switches
	Model     llm.Pace      `json:"model_pace"`
	Turns     int           `json:"turns"`
	Moved     int           `json:"turns_of_the_switched_tenant"`
	OnSecond  int           `json:"turns_on_the_target"`
	Running   int           `json:"turns_running_at_a_switch"`
	Failed    int           `json:"failed"`
	Faults    []string      `json:"faults,omitempty"`
	Late      crowd.Latency `json:"left_late"`
	First     switched      `json:"first_publication"` // of a document that did not exist
	Unseen    int           `json:"unseen"`            // switches at a server that got no turn of the tenant before the next one
	PerServer []switched    `json:"per_server"`
	PerWay    []switched    `json:"per_way"`
	All       switched      `json:"all"`
	Served    crowd.Latency `json:"nacos_serves_it"`  // by the APIs: publish to when Nacos gives the new form to who reads it
	Slowest   string        `json:"slowest"`          // publication
	Command   crowd.Latency `json:"command_whole"`    // a command's whole run, all servers seen with it
	Entered   crowd.Latency `json:"command_to_audit"` // of it, until Nacos had the change
}

// running answers last about 0.5 s, so that turns are on their way at every switch.
var spoken = llm.Pace{First: 120 * time.Millisecond, Between: 50 * time.Millisecond, Chunks: 8}

// tenants are ten: each has a tenth of the load.
var tenants = []string{moved, "tenant-b", "tenant-c", "tenant-d", "tenant-e", "tenant-f", "tenant-g", "tenant-h", "tenant-i", "tenant-j"}

func (b switches) run(ctx context.Context, s *stage) (*switchesResult, error) {
	if err := s.prepare(ctx, spoken, s.routes(0, bothModels)); err != nil {
		return nil, err
	}
	servers, err := s.start(ctx, "server-1", "server-2", "server-3")
	if err != nil {
		return nil, err
	}
	defer dismiss(servers)
	s.Logf("switches: %d turns a second, %d switches", b.Rate, b.Number)
	v := s.load(ctx, b.Rate, servers, tenants...)
	list, err := b.publish(ctx, s, servers)
	shots := v.stop()
	if err != nil {
		return nil, err
	}
	ledgers, err := s.ledgers(ctx)
	if err != nil {
		return nil, err
	}
	return b.judge(list, servers, shots, calls(ledgers)), nil
}

// publish makes the publications.
func (b switches) publish(ctx context.Context, s *stage, servers []*server) (list []publication, err error) {
	random := rand.New(rand.NewPCG(b.Seed, 1))
	if err := pause(ctx, b.Settle); err != nil {
		return nil, err
	}
	for i := range b.Number {
		to := []string{second, first}[i%2]
		p, err := s.publish(ctx, b.Ways[i/2%len(b.Ways)], to, servers[random.IntN(len(servers))])
		if err != nil {
			return nil, err
		}
		p.told = awaitForce(ctx, servers, p.began)
		// The old provider gets time to show up again; the rest keeps publications from falling into step with the load.
		if err := pause(ctx, b.Gap+time.Duration(random.Int64N(int64(500*time.Millisecond)))); err != nil {
			return nil, err
		}
		p.until = time.Now()
		list = append(list, p)
	}
	return list, nil
}

// ways are an ordinary run's: one pair in five by the command, the others by both APIs.
var ways = []string{openAPI, adminAPI, command, openAPI, adminAPI}

func (b switches) judge(list []publication, servers []*server, shots []*shot, made map[string][]call) *switchesResult {
	r := &switchesResult{switches: b, Model: spoken, Turns: len(shots), Late: late(shots)}
	var own []*shot
	for _, x := range shots {
		if x.tenant == moved {
			own = append(own, x)
		}
		if x.reply.Provider == second {
			r.OnSecond++
		}
		fault := x.fault(made[x.question])
		if fault == "" && x.tenant != moved && x.reply.Provider != first {
			fault = "was switched, which concerns another tenant"
		}
		if fault != "" {
			r.Failed++
			r.Faults = note(r.Faults, x, fault)
		}
	}
	r.Moved = len(own)
	names := make([]string, len(servers))
	for i, x := range servers {
		names[i] = x.Name
	}
	var all []effect
	var commands, entered, served []time.Duration
	for i, p := range list {
		es, faults := effects(p, names, own, made)
		r.Faults = append(r.Faults, faults...)
		if p.complaint != "" {
			r.Faults = append(r.Faults, p.complaint)
		}
		all = append(all, es...)
		if i == 0 {
			r.First = summarize("the first", es)
		}
		if p.way == command {
			commands, entered = append(commands, p.ended.Sub(p.began)), append(entered, p.at.Sub(p.began))
		} else {
			served = append(served, p.served.Sub(p.began))
		}
		r.Running += running(p, own, made)
	}
	r.PerServer, r.PerWay, r.All = summaries(all, byServer), summaries(all, byWay), summarize("all", all)
	r.Slowest = slowest(list)
	r.Unseen = len(list)*len(servers) - len(all)
	r.Command, r.Entered, r.Served = crowd.Summarize(commands), crowd.Summarize(entered), crowd.Summarize(served)
	return r
}

// slowest names the publication that some server had in force last, so that its logs can be looked up.
func slowest(list []publication) string {
	var most time.Duration
	name := "none"
	for i, p := range list {
		for server, told := range p.told {
			if d := told.Sub(p.at); d > most {
				most = d
				name = fmt.Sprintf("number %d by %s at %s: in force at %s after %s", i+1, p.way, p.at.Format("15:04:05.000"), server, d.Round(time.Millisecond))
				if !p.served.IsZero() {
					name += fmt.Sprintf(", served by Nacos after %s", p.served.Sub(p.at).Round(time.Millisecond))
				}
			}
		}
	}
	return name
}

// note adds a turn's fault to a list that stays readable.
func note(faults []string, x *shot, what string) []string {
	const most = 20
	if len(faults) < most {
		faults = append(faults, fmt.Sprintf("a turn of %s at %s, sent %s: %s", x.tenant, x.server, x.sent.Format("15:04:05.000"), what))
	}
	return faults
}
