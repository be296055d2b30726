package rpc

import (
	"errors"
	"fmt"
	"log/slog"
	"net"

	"dubbo.apache.org/dubbo-go/v3/common"
	"dubbo.apache.org/dubbo-go/v3/common/constant"
	"dubbo.apache.org/dubbo-go/v3/registry"
	"dubbo.apache.org/dubbo-go/v3/remoting"
)

// open makes the registry that the options ask for. It does not wait for it.
func (r Registry) open(log *slog.Logger) (registry.Registry, error) {
	switch r.Mode {
	case ModeDirect:
		return newStatic(r.Direct)
	case ModeNacos:
		return newNacos(r.Nacos, log)
	default:
		return nil, fmt.Errorf("registry.mode %q: want %s or %s", r.Mode, ModeNacos, ModeDirect)
	}
}

// static is the registry of a fixed list of addresses. Servers may register; nobody hears of it.
type static struct {
	noRegistry
	events []*registry.ServiceEvent
}

func newStatic(addrs []string) (*static, error) {
	s := &static{}
	for _, addr := range addrs {
		host, port, err := net.SplitHostPort(addr)
		if err != nil || host == "" {
			return nil, fmt.Errorf("registry.direct %q: want host:port", addr)
		}
		s.events = append(s.events, instanceEvent(host, port, nil))
	}
	return s, nil
}

// instanceEvent tells of one instance, with params (pairs of key and value) such as its weight.
func instanceEvent(host, port string, params [][2]string) *registry.ServiceEvent {
	opts := []common.Option{
		common.WithProtocol(constant.TriProtocol), common.WithIp(host), common.WithPort(port), common.WithPath(serviceName),
		common.WithParamsValue(constant.InterfaceKey, serviceName),
	}
	for _, p := range params {
		opts = append(opts, common.WithParamsValue(p[0], p[1]))
	}
	return &registry.ServiceEvent{Action: remoting.EventTypeUpdate, Service: common.NewURLWithOptions(opts...)}
}

// Subscribe gives the list at once.
func (s *static) Subscribe(_ *common.URL, l registry.NotifyListener) error {
	l.NotifyAll(s.events, func() {})
	return nil
}

// noRegistry holds what dubbo-go's Registry asks for and a registry of Parley does not need.
type noRegistry struct{}

func (noRegistry) Register(*common.URL) error                                        { return nil }
func (noRegistry) UnRegister(*common.URL) error                                      { return nil }
func (noRegistry) UnSubscribe(*common.URL, registry.NotifyListener) error            { return nil }
func (noRegistry) Subscribe(*common.URL, registry.NotifyListener) error              { return errors.ErrUnsupported }
func (noRegistry) GetURL() *common.URL                                               { return common.NewURLWithOptions() }
func (noRegistry) IsAvailable() bool                                                 { return true }
func (noRegistry) Destroy()                                                          {}
func (noRegistry) LoadSubscribeInstances(*common.URL, registry.NotifyListener) error { return nil }
