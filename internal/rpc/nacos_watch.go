package rpc

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	dubbo "dubbo.apache.org/dubbo-go/v3/common/constant"
	"dubbo.apache.org/dubbo-go/v3/registry"
	"github.com/nacos-group/nacos-sdk-go/v2/model"
)

const (
	// nacosPoll finds what a lost push would hide.
	nacosPoll = 2 * time.Second
	// nacosForgets is how long after a lost connection an instance that is missing in Nacos is still believed in: a restarted Nacos is
	// empty until its servers have registered again. A connection may be lost and made anew unseen, so an empty list counts as one.
	nacosForgets = 15 * time.Second
)

// watch follows the service in Nacos. A push only says that something changed; what there is, a query says, so that lost and late pushes
// are the same. While Nacos is down, the last list stays in force.
func (r *nacosRegistry) watch(l registry.NotifyListener) {
	pushed := make(chan struct{}, 1)
	client, err := r.connect(r.ctx, func() {
		select {
		case pushed <- struct{}{}:
		default:
		}
	})
	if err != nil {
		r.log.Error("nacos: cannot look for servers", "err", err)
		return
	}
	defer client.CloseClient()
	tick := time.NewTicker(nacosTick)
	defer tick.Stop()
	w := &watcher{registry: r, client: client, listener: l, began: time.Now(), recallAt: time.Now().Add(snapshotAfter)}
	for {
		w.step()
		select {
		case <-r.ctx.Done():
			return
		case <-pushed:
			w.next = time.Time{}
		case <-tick.C:
		}
	}
}

// watcher is the state of watch; one goroutine owns it.
type watcher struct {
	registry   *nacosRegistry
	client     naming
	listener   registry.NotifyListener
	began      time.Time
	subscribed bool
	lost       time.Time // when the connection was last seen down; zero: never
	empty      bool      // Nacos listed nothing, at the last query
	complained bool
	next       time.Time // of the next query
	last       map[string]model.Instance
	recallAt   time.Time // when the list of an earlier life is used
}

func (w *watcher) step() {
	if !w.client.ServerHealthy() {
		w.subscribed, w.next = false, time.Time{}
		if w.last != nil {
			w.lost = time.Now()
		}
		w.complain("no connection")
		w.recall()
		return
	}
	if time.Now().Before(w.next) {
		return
	}
	w.next = time.Now().Add(nacosPoll)
	if !w.subscribed {
		_, err := w.client.Subscribe(nacosService, nacosGroup, "")
		w.subscribed = err == nil
	}
	hosts, err := instances(w.client)
	if err != nil {
		w.registry.login.Doubt()
		w.complain(err.Error())
		w.recall()
		return
	}
	w.complained = false
	if w.tell(hosts) {
		w.keep()
	}
}

// instances asks Nacos for its list.
func instances(client naming) ([]model.Instance, error) {
	found, err := client.QueryInstancesOfService(nacosService, nacosGroup, "", 0, false)
	if err != nil {
		return nil, err
	}
	if found.Name != nacosService { // how a refusal looks: a list without a service
		return nil, errors.New("nacos gave no list")
	}
	return found.Hosts, nil
}

func (w *watcher) complain(why string) {
	if !w.complained && time.Since(w.began) >= nacosConnects && w.registry.ctx.Err() == nil {
		w.complained = true
		w.registry.log.Warn("nacos: cannot be asked for servers; the last list stays in force",
			"addrs", w.registry.opts.Addrs, "servers", len(w.last), "err", why)
	}
}

// tell gives the listener the list if it changed, and reports whether it did.
func (w *watcher) tell(hosts []model.Instance) bool {
	now := make(map[string]model.Instance, len(hosts))
	for _, h := range hosts {
		if usable(h) {
			now[h.Ip+" "+strconv.FormatUint(h.Port, 10)] = h
		}
	}
	if len(now) == 0 && !w.empty {
		w.lost = time.Now()
	}
	w.empty = len(now) == 0
	if time.Since(w.lost) < nacosForgets {
		for k, h := range w.last {
			if _, ok := now[k]; !ok {
				now[k] = h
			}
		}
	}
	if w.last != nil && maps.EqualFunc(now, w.last, sameInstance) {
		return false
	}
	w.last = now
	var events []*registry.ServiceEvent
	for _, k := range slices.Sorted(maps.Keys(now)) {
		h := now[k]
		events = append(events, instanceEvent(h.Ip, strconv.FormatUint(h.Port, 10), [][2]string{
			{dubbo.WeightKey, strconv.FormatFloat(h.Weight, 'g', -1, 64)},
			{paramEnabled, strconv.FormatBool(h.Enable)},
			{paramSpeaks, h.Metadata[paramSpeaks]},
			{paramNeeds, h.Metadata[paramNeeds]},
		}))
	}
	w.listener.NotifyAll(events, func() {})
	return true
}

// usable leaves out what is registered under the service's name and is no Triple server.
func usable(h model.Instance) bool {
	p := h.Metadata[dubbo.NacosProtocolKey]
	return h.Ip != "" && h.Port != 0 && (p == "" || p == dubbo.TriProtocol)
}

func sameInstance(a, b model.Instance) bool {
	return a.Weight == b.Weight && a.Enable == b.Enable &&
		a.Metadata[paramSpeaks] == b.Metadata[paramSpeaks] && a.Metadata[paramNeeds] == b.Metadata[paramNeeds]
}
