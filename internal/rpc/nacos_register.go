package rpc

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"dubbo.apache.org/dubbo-go/v3/common"
	dubbo "dubbo.apache.org/dubbo-go/v3/common/constant"
	"github.com/nacos-group/nacos-sdk-go/v2/model"
)

const (
	nacosTick = 250 * time.Millisecond
	// nacosConnects is how long the SDK may take to connect after a start before the log says that there is no connection.
	nacosConnects = 3 * time.Second
	nacosRetry    = time.Second
	// nacosVerify is how long a server may be missing in Nacos without knowing.
	nacosVerify = 15 * time.Second
	// leaveLimit bounds how long a server that ends waits for Nacos to take it off its list.
	leaveLimit = 2 * time.Second
)

// nacosInstance is the instance in the form in which Dubbo writes it: the URL's parameters are the metadata.
func nacosInstance(url *common.URL) (model.Instance, error) {
	port, err := strconv.ParseUint(url.Port, 10, 16)
	if err != nil {
		return model.Instance{}, fmt.Errorf("rpc.advertise: port %q: %w", url.Port, err)
	}
	metadata := map[string]string{
		dubbo.CategoryKey:      "providers",
		dubbo.NacosProtocolKey: url.Protocol,
		dubbo.NacosPathKey:     strings.TrimPrefix(url.Path, "/"),
		dubbo.MethodsKey:       strings.Join(url.Methods, ","),
		dubbo.TimestampKey:     strconv.FormatInt(time.Now().UnixMilli(), 10),
	}
	url.RangeParams(func(k, v string) bool {
		metadata[k] = v
		return true
	})
	return model.Instance{
		Ip: url.Ip, Port: port, Weight: 1, Enable: true, Healthy: true, Ephemeral: true, Metadata: metadata,
	}, nil
}

// keep holds the instance in Nacos: it registers when Nacos is there, and again whenever the connection was lost, because Nacos forgets
// an instance with its connection. The SDK does the latter too, but gives up if Nacos is not ready yet; and a connection that is back
// within a tick is not seen here. So it looks from time to time whether it stands there.
func (r *nacosRegistry) keep(instance model.Instance) {
	client, err := r.connect(r.ctx, func() {})
	if err != nil {
		r.log.Error("nacos: cannot register", "err", err)
		return
	}
	defer client.CloseClient()
	tick := time.NewTicker(nacosTick)
	defer tick.Stop()
	k := &keeper{registry: r, client: client, instance: instance, began: time.Now()}
	for {
		k.step()
		select {
		case <-tick.C:
		case reply := <-r.leave:
			reply <- deregister(client, instance)
			return
		case <-r.ctx.Done():
			return
		}
	}
}

// keeper is the state of keep; one goroutine owns it.
type keeper struct {
	registry   *nacosRegistry
	client     naming
	instance   model.Instance
	began      time.Time
	standing   bool // registered over a connection that was not seen down since
	complained bool // of no connection
	missed     bool // it was registered, and at the last look it was not listed
	next       time.Time
}

func (k *keeper) step() {
	r := k.registry
	switch {
	case !k.client.ServerHealthy():
		if k.standing || !k.complained && time.Since(k.began) >= nacosConnects {
			r.log.Warn("nacos: no connection; this server goes on serving who knows it", "addrs", r.opts.Addrs)
			k.complained = true
		}
		k.standing, k.next = false, time.Time{}
	case time.Now().Before(k.next):
	case !k.standing:
		k.register()
	default:
		k.next = time.Now().Add(nacosVerify)
		switch listed, err := lists(k.client, k.instance); {
		case err != nil: // it says nothing of the registration
		case listed:
			k.missed = false
		default:
			k.register()
		}
	}
}

// register announces the instance. One that an operator disabled is never listed: of that it tells only once.
func (k *keeper) register() {
	r := k.registry
	if err := announce(k.client, k.instance); err != nil {
		r.log.Warn("nacos: not registered, trying again", "err", err)
		r.login.Doubt()
		k.standing, k.next = false, time.Now().Add(nacosRetry)
		return
	}
	server := fmt.Sprintf("%s:%d", k.instance.Ip, k.instance.Port)
	switch {
	case !k.standing:
		r.log.Info("registered in nacos", "server", server, "service", nacosService)
	case !k.missed:
		r.log.Warn("nacos did not list this server, as if it had forgotten it or it were disabled there; registered again", "server", server)
	}
	k.missed = k.standing
	k.standing, k.complained, k.next = true, false, time.Now().Add(nacosVerify)
	r.once.Do(func() { close(r.registered) })
}

// lists reports whether Nacos names the instance to clients.
func lists(client naming, instance model.Instance) (bool, error) {
	hosts, err := instances(client)
	return slices.ContainsFunc(hosts, func(h model.Instance) bool { return h.Ip == instance.Ip && h.Port == instance.Port }), err
}

func announce(client naming, instance model.Instance) error {
	ok, err := client.RegisterInstance(nacosService, nacosGroup, instance)
	if err == nil && !ok {
		err = errors.New("nacos refused the registration")
	}
	return err
}

func deregister(client naming, instance model.Instance) error {
	if !client.ServerHealthy() {
		return errors.New("nacos is not reachable")
	}
	_, err := client.DeregisterInstance(nacosService, nacosGroup, instance)
	return err
}

// UnRegister takes the instance out of Nacos for good. It blocks for leaveLimit at most.
func (r *nacosRegistry) UnRegister(*common.URL) error {
	limit := time.NewTimer(leaveLimit)
	defer limit.Stop()
	reply := make(chan error, 1)
	select {
	case r.leave <- reply:
	case <-limit.C:
		return errors.New("nacos does not answer")
	}
	select {
	case err := <-reply:
		return err
	case <-limit.C:
		return errors.New("nacos does not answer")
	}
}
