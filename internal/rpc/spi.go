package rpc

import (
	"log/slog"
	"sync"

	"dubbo.apache.org/dubbo-go/v3/cluster/cluster"
	"dubbo.apache.org/dubbo-go/v3/cluster/loadbalance"
	"dubbo.apache.org/dubbo-go/v3/common/constant"
	"dubbo.apache.org/dubbo-go/v3/common/extension"
	"dubbo.apache.org/dubbo-go/v3/filter"
	"dubbo.apache.org/dubbo-go/v3/protocol/base"
	_ "dubbo.apache.org/dubbo-go/v3/protocol/protocolwrapper" // registers what builds the chain of filters
	_ "dubbo.apache.org/dubbo-go/v3/proxy/proxy_factory"      // registers what makes a stub of an invoker
	gostlog "github.com/dubbogo/gost/log/logger"
	nacoslog "github.com/nacos-group/nacos-sdk-go/v2/common/logger"
)

// The names under which Parley's parts are known to dubbo-go, and the chains of filters around an invoker on either side.
const (
	extensionName = "parley"
	clientFilters = extensionName
)

// The keys of URL attributes by which dubbo-go hands our objects from where they are made to where they work.
const (
	attrMember    = "parley.member"
	attrTransport = "parley.transport"
)

var installed sync.Once

// install registers Parley's parts with dubbo-go and takes over the loggers of dubbo-go and of the Nacos SDK, which would print to
// standard output and to files in the working directory. Both keep such things per process: the first caller's log is used by all.
func install(log *slog.Logger) {
	installed.Do(func() {
		gostlog.SetLogger(sdkLogger{log})
		nacoslog.SetLogger(sdkLogger{log})
		extension.SetProtocol(constant.TriProtocol, func() base.Protocol { return &protocol{BaseProtocol: base.NewBaseProtocol()} })
		extension.SetCluster(extensionName, func() cluster.Cluster { return oneTry{} })
		extension.SetLoadbalance(extensionName, func() loadbalance.LoadBalance { return leastStreams{} })
		extension.SetFilter(extensionName, func() filter.Filter { return track{} })
	})
}
