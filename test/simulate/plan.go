package simulate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"parley/internal/chat"
)

// Kind is one thing that goes wrong. A seed draws which kinds it has: with all of them at once the rare mixtures never come up.
type Kind string

// The kinds.
const (
	Kill   Kind = "kill"   // processes die in the middle of a step
	Freeze Kind = "freeze" // processes stand still in the middle of a step, and go on when others have taken over
	Stop   Kind = "stop"   // processes are shut down and replaced
	Outage Kind = "outage" // the store does not answer, to one process or to all
	Fail   Kind = "fail"   // steps of the store fail, before or after they took effect
	Slow   Kind = "slow"   // steps of the store take longer than their caller waits
	Model  Kind = "model"  // servers fail, are full, hang
	Send   Kind = "send"   // platforms refuse, or take a part and do not say so
	Again  Kind = "again"  // platforms deliver a message up to four times, at once to several replicas
	Switch Kind = "switch" // operators switch to another provider and back
	Caps   Kind = "caps"   // a tenant's tokens a day are few
	Shed   Kind = "shed"   // limits on what people may ask
	Room   Kind = "room"   // processes have few places
	Night  Kind = "night"  // the day ends meanwhile
	Block  Kind = "block"  // a channel refuses all for a while, until an operator mends it
	Merge  Kind = "merge"  // messages that wait become one; no fault, but it changes what waits
)

// Kinds lists all kinds.
func Kinds() []Kind {
	return []Kind{Kill, Freeze, Stop, Outage, Fail, Slow, Model, Send, Again, Switch, Caps, Shed, Room, Night, Block, Merge}
}

// Plant is a fault that is put between the processes and the store, to see that it is found.
type Plant string

// The plants.
const (
	NoPlant   Plant = ""
	NoFence   Plant = "no fence"         // an owner that lost its lease writes all the same
	AckEarly  Plant = "ack before write" // a message is acknowledged before it is stored
	NoDedupe  Plant = "no dedupe"        // a message that is delivered twice is stored twice
	TwoCommit Plant = "commit in two"    // history and reply are written one after the other
	OneMore   Plant = "one seat more"    // a tenant's turns in flight are one more than it may have
)

// Plants lists all plants.
func Plants() []Plant { return []Plant{NoFence, AckEarly, NoDedupe, TwoCommit, OneMore} }

// Plan is what happens in a world besides what its dice decide on the way. It can be cut down: nothing in it depends on the rest.
type Plan struct {
	Seed  uint64
	Plant Plant
	Kinds map[Kind]bool
	Rate  float64 // how often steps go wrong; 1: in a few of a hundred
	Storm time.Duration
	Posts []Post
	Turns []Event
}

// Post is one message that a person writes.
type Post struct {
	At   time.Duration
	M    chat.Message
	More []time.Duration // further deliveries, after the first
}

// Event is what happens to a process (stop, kill, freeze), to the store (outage), to a channel (block) or to the switch, besides what happens in steps.
type Event struct {
	At   time.Duration
	Kind Kind
	Slot int // the process; -1: all. The channel
	For  time.Duration
}

const (
	processes = 3
	people    = 12
	messages  = 60
)

// tenants: beta's tokens a day may be few.
var tenants = []string{"beta", "acme", "acme"}

// channels: the first two swallow a part that they have seen, card shows partial text, hook takes everything twice.
var channels = []string{"app", "app", "card", "hook"}

// NewPlan draws a plan.
func NewPlan(seed uint64) Plan {
	c := &cup{seed: seed, uses: map[string]uint64{}}
	d := c.dice("plan")
	p := Plan{Seed: seed, Kinds: map[Kind]bool{}, Rate: oneOf(d, .3, 1, 1, 3), Storm: d.between(20*time.Second, 50*time.Second)}
	for _, k := range Kinds() {
		p.Kinds[k] = d.chance(map[Kind]float64{Kill: .6, Freeze: .6, Again: .8, Model: .7, Night: .1, Room: .2, Shed: .2, Caps: .4, Merge: .2}[k]) ||
			d.chance(.2) && k != Night && k != Room && k != Shed
	}
	p.drawPosts(c.dice("posts"))
	p.drawEvents(c.dice("events"))
	return p
}

func (p *Plan) drawPosts(d *dice) {
	for i := range messages {
		who := d.below(people)
		post := Post{At: d.between(0, p.Storm), M: chat.Message{
			ID: fmt.Sprint("m", i), User: fmt.Sprint("u", who), Kind: chat.KindText,
			Conversation: chat.ConversationKey{Tenant: tenants[who%len(tenants)], Channel: channels[who%len(channels)], ID: fmt.Sprint("u", who)},
		}}
		switch n := d.below(100); {
		case n < 6:
			post.M.Text = "/stop"
		case n < 9:
			post.M.Text = "/reset"
		case n < 10:
			post.M.Text = "/forget"
		case n < 12:
			post.M.Text = "/status"
		case n < 14:
			post.M.Kind = chat.KindUnsupported
		case n < 15:
			post.M.Text = strings.Repeat("long ", 100)
		default:
			post.M.Text = "ask " + post.M.ID
		}
		for p.Kinds[Again] && len(post.More) < 3 && d.chance(.5) {
			post.More = append(post.More, oneOf(d, d.between(0, 5*time.Millisecond), d.between(0, 10*time.Second)))
		}
		p.Posts = append(p.Posts, post)
	}
}

func (p *Plan) drawEvents(d *dice) {
	most := map[Kind]int{Kill: 2, Freeze: 2, Stop: 3, Outage: 2, Switch: 6, Block: 2}
	for _, k := range slices.Sorted(maps.Keys(most)) {
		if !p.Kinds[k] {
			continue
		}
		for range 1 + d.below(most[k]) {
			p.Turns = append(p.Turns, Event{
				At: d.between(time.Second, p.Storm), Kind: k, Slot: d.below(processes+1) - 1, For: d.between(500*time.Millisecond, 15*time.Second),
			})
		}
	}
}

// String names the kinds in a plan and what is in it.
func (p Plan) String() string {
	var on []string
	for _, k := range Kinds() {
		if p.Kinds[k] {
			on = append(on, string(k))
		}
	}
	return fmt.Sprintf("seed %d, %d messages, %d events, rate %v, kinds %s", p.Seed, len(p.Posts), len(p.Turns), p.Rate, strings.Join(on, " "))
}
