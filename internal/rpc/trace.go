package rpc

import (
	"context"

	"dubbo.apache.org/dubbo-go/v3/common/constant"
	"dubbo.apache.org/dubbo-go/v3/common/extension"
	"dubbo.apache.org/dubbo-go/v3/filter"
	_ "dubbo.apache.org/dubbo-go/v3/filter/otel/trace" // registers the filters named below
	"dubbo.apache.org/dubbo-go/v3/protocol/base"
	"dubbo.apache.org/dubbo-go/v3/protocol/result"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/metadata"
)

// inTrace is dubbo-go's filter of traces for those calls that are in one: to look for nothing in every call costs as much as to carry a trace.
type inTrace struct {
	filter.Filter
	is func(context.Context, base.Invocation) bool
}

// Invoke implements dubbo-go's Filter.
func (f inTrace) Invoke(ctx context.Context, next base.Invoker, inv base.Invocation) result.Result {
	if !f.is(ctx, inv) {
		return next.Invoke(ctx, inv)
	}
	return f.Filter.Invoke(ctx, next, inv)
}

func clientTrace() filter.Filter {
	f, _ := extension.GetFilter(constant.OTELClientTraceKey)
	return inTrace{f, func(ctx context.Context, _ base.Invocation) bool { return trace.SpanContextFromContext(ctx).IsValid() }}
}

func serverTrace() filter.Filter {
	f, _ := extension.GetFilter(constant.OTELServerTraceKey)
	return inTrace{f, func(_ context.Context, inv base.Invocation) bool { return inv.Attachments() != nil }}
}

// incoming gives what a call's metadata says of its trace the form that dubbo-go's filters read; nil: it says nothing.
func incoming(ctx context.Context) (out map[string]any) {
	for _, key := range otel.GetTextMapPropagator().Fields() {
		if v := metadata.ValueFromIncomingContext(ctx, key); v != nil {
			if out == nil {
				out = map[string]any{}
			}
			out[key] = v
		}
	}
	return out
}
