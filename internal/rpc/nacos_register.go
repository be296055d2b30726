package rpc

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"dubbo.apache.org/dubbo-go/v3/common"
	dubbo "dubbo.apache.org/dubbo-go/v3/common/constant"
	"github.com/nacos-group/nacos-sdk-go/v2/model"
)

const (
	nacosTick  = 250 * time.Millisecond
	nacosRetry = time.Second
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
// an instance with its connection. The SDK does the latter too, but gives up if Nacos is not ready yet.
func (r *nacosRegistry) keep(instance model.Instance) {
	client, err := r.connect(r.ctx, func() {})
	if err != nil {
		r.log.Error("nacos: cannot register", "err", err)
		return
	}
	defer client.CloseClient()
	tick := time.NewTicker(nacosTick)
	defer tick.Stop()
	standing, complained := false, false
	var next time.Time
	for {
		switch {
		case !client.ServerHealthy():
			if standing || !complained {
				r.log.Warn("nacos: no connection; this server goes on serving who knows it", "addrs", r.opts.Addrs)
			}
			standing, complained = false, true
		case !standing && time.Now().After(next):
			err := announce(client, instance)
			if standing = err == nil; standing {
				r.log.Info("registered in nacos", "server", fmt.Sprintf("%s:%d", instance.Ip, instance.Port), "service", nacosService)
				r.once.Do(func() { close(r.registered) })
				complained = false
			} else {
				r.log.Warn("nacos: not registered, trying again", "err", err)
				next = time.Now().Add(nacosRetry)
			}
		}
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
