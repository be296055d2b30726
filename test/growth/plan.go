package main

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Demand is what people ask for.
type Demand struct {
	People  int
	Active  float64       // of them, who write one message each in the busiest minute
	Answer  time.Duration // from the first to the last word of a model
	Tenants int           // of equal size
	PerDay  float64       // messages of a person
	Recent  float64       // of them, who wrote within the half hour in which conversations are kept
}

// usual is a company whose people write as much as people do: one in ten in the busiest minute.
func usual(people int) Demand {
	return Demand{People: people, Active: 0.1, Answer: 20 * time.Second, Tenants: 1, PerDay: 10, Recent: 0.3}
}

const (
	// full is how busy a core, or a Redis master, is planned to be: the rest is for the minutes in which a process is missing, and for bursts.
	full = 0.6
	// most is how many turns a process is planned to have in flight; it takes 20,000.
	most = 10_000
	// perProcess is how many cores a process is planned to use.
	perProcess = 4
	// maxMasters is what is looked at: a cluster has 1,000 at most.
	maxMasters = 200
)

// Plan is what that takes in the busiest minute.
type Plan struct {
	Demand
	Rate         float64 // messages a second
	InFlight     float64
	ClientCores  float64
	ServerCores  float64
	Clients      int
	Servers      int
	ClientMemory float64 // bytes, of each process
	ServerMemory float64
	Masters      int     // of Redis, with slots dealt out evenly; 0: no number of them is enough
	Fullest      float64 // how busy the fullest is
	ByHand       int     // masters, if the slots of a lone tenant are dealt out by hand; 0: no number is enough
	RedisMemory  float64 // bytes, of all masters
	Background   float64 // share of a core of Redis that goes to what client services ask when nothing happens
	Probing      float64 // cores that go to looking whether servers live
	Limit        string  // what comes next
}

// plan is arithmetic: Little's law for what is in flight, costs times rate for cores, hash slots for masters.
func (c Costs) plan(d Demand) Plan {
	p := Plan{Demand: d, Rate: float64(d.People) * d.Active / 60}
	p.InFlight = p.Rate * d.Answer.Seconds()
	p.ClientCores, p.ServerCores = p.Rate*c.Client.Seconds()/full, p.Rate*c.Server.Seconds()/full
	each := float64(d.Tenants) // its own client services, two at least
	p.Clients = d.Tenants * processes(p.ClientCores/each, p.InFlight/each)
	p.Servers = processes(p.ServerCores, p.InFlight)
	p.ClientMemory = float64(c.Idle) + p.InFlight/float64(p.Clients)*float64(c.ClientTurn)
	p.ServerMemory = float64(c.Idle) + p.InFlight/float64(p.Servers)*float64(c.ServerTurn)
	p.Background = float64(p.Clients) * c.Beat * c.Command.Seconds()
	p.Masters, p.Fullest, p.ByHand = c.masters(p)
	p.RedisMemory = float64(d.People)*d.Recent*float64(c.Conversation) + float64(d.People)*d.PerDay*float64(c.Remembered)
	p.Probing = c.probing(float64(p.Clients*p.Servers), p.InFlight)
	p.Limit = c.limit(p)
	return p
}

// probing is for so many pairs of a client service and a server, to which turns in flight come at random.
func (c Costs) probing(pairs, inFlight float64) float64 {
	unused := math.Exp(-inFlight / pairs)
	return pairs * (c.ProbesIdle*unused + c.ProbesUsed*(1-unused)) * c.Probe.Seconds()
}

// processes is how many of perProcess cores and most turns are needed, and one to be without: two at least.
func processes(cores, inFlight float64) int {
	return int(math.Ceil(max(cores/perProcess, inFlight/most))) + 1
}

// masters is the smallest number of Redis masters of which none is fuller than planned. A tenant's conversations lie in 16 hash slots.
func (c Costs) masters(p Plan) (n int, fullest float64, byHand int) {
	load := p.Rate*c.Redis.Seconds() + p.Background
	for byHand = 1; byHand <= shards && load*math.Ceil(shards/float64(byHand))/shards > full; byHand++ {
	}
	if byHand > shards {
		byHand = 0
	}
	for n = 1; n <= maxMasters; n++ {
		if fullest = load * fullestShare(p.Tenants, n); fullest <= full {
			return n, fullest, byHand
		}
	}
	return 0, fullest, byHand
}

// limit names what is met first when there are still more people.
func (c Costs) limit(p Plan) string {
	switch {
	case p.Tenants == 1 && p.ByHand == 0:
		return "one tenant's 16 shards: make it several tenants"
	case p.Tenants == 1 && p.ByHand < p.Masters || p.Masters == 0:
		return "a lone tenant's 16 slots: deal them out by hand"
	case p.Background > 0.2*full*float64(p.Masters):
		return "what client services ask of Redis at rest: more tenants to each"
	case p.Probing > 0.1*(p.ClientCores+p.ServerCores):
		return "each client service looks at each server: part them into groups"
	case p.Masters > 1:
		return "Redis: more masters"
	}
	return "none near; the provider's own limits"
}

// String is the plan for a person.
func (p Plan) String() string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-34s "+format+"\n", append([]any{name}, args...)...)
	}
	row("people, tenants", "%d, %d", p.People, p.Tenants)
	row("messages a second", "%.0f (%.0f %% of them write one in the busiest minute)", p.Rate, p.Active*100)
	row("turns in flight", "%.0f (answers of %s)", p.InFlight, p.Answer)
	row("client services", "%s", p.clients())
	row("servers", "%s", p.servers())
	row("Redis masters", "%s, the fullest %.0f %% busy; %.1f GiB in all, and a replica each", p.masters(), p.Fullest*100, gib(p.RedisMemory))
	row("next limit", "%s", p.Limit)
	return b.String()
}

// clients says how many there are and what each needs when one of its tenant's is missing; so does servers.
func (p Plan) clients() string {
	return several(p.Clients, p.ClientCores/float64(p.Clients-p.Tenants), p.ClientMemory)
}

func (p Plan) servers() string {
	return several(p.Servers, p.ServerCores/float64(p.Servers-1), p.ServerMemory)
}

func several(n int, cores, memory float64) string {
	return fmt.Sprintf("%d of %.1f cores, %.1f GiB", n, math.Ceil(cores*10)/10, math.Ceil(gib(memory)*10)/10)
}

// masters says how many, and how many less if somebody deals the slots out.
func (p Plan) masters() string {
	even := fmt.Sprint(p.Masters)
	if p.Masters == 0 {
		even = fmt.Sprintf("more than %d", maxMasters)
	}
	if p.Tenants == 1 && p.ByHand > 0 && p.ByHand != p.Masters {
		return fmt.Sprintf("%d with slots dealt out by hand (evenly: %s)", p.ByHand, even)
	}
	return even
}

func gib(bytes float64) float64 { return bytes / (1 << 30) }
