package rpc

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"dubbo.apache.org/dubbo-go/v3/common"
)

// version is what one side of the protocol speaks, and the oldest that it needs the other side to speak. Fields are only added, and most
// additions change neither: speaks rises where the other side may have to know that it was made, needs where it must.
type version struct{ speaks, needs int }

// ours is this release's. Whoever tells none is of a release before versions: 1 and 1.
func ours() version { return version{speaks: 1, needs: 1} }

// The keys of an instance's metadata in the registry.
const (
	paramSpeaks = "parley.protocol"
	paramNeeds  = "parley.protocol.needs"
)

// ofURL reads what a registry tells of an instance.
func ofURL(url *common.URL) version {
	return told(url.GetParam(paramSpeaks, ""), url.GetParam(paramNeeds, ""))
}

func told(speaks, needs string) version {
	read := func(s string) int {
		n, _ := strconv.Atoi(s)
		return max(n, 1)
	}
	return version{read(speaks), read(needs)}
}

// of reads what a request tells of its client.
func of(in *request) version { return version{speaks: max(int(in.head.GetProtocol()), 1)} }

// misfit says why a client of version v cannot work with a server; nil: it can.
func (v version) misfit(server version) error {
	switch {
	case server.needs > v.speaks:
		return misfitError{fmt.Sprintf("the server needs clients that speak protocol %d, and this one speaks %d: upgrade the client service", server.needs, v.speaks)}
	case server.speaks < v.needs:
		return misfitError{fmt.Sprintf("the server speaks protocol %d, and this client needs %d: upgrade the server", server.speaks, v.needs)}
	}
	return nil
}

// misfitError travels as FailedPrecondition with this beginning, by which clients tell it from a provider's refusal.
type misfitError struct{ text string }

const misfitPrefix = "protocol: "

func (e misfitError) Error() string { return misfitPrefix + e.text }

// asMisfit reads a status message.
func asMisfit(message string) (misfitError, bool) {
	text, ok := strings.CutPrefix(message, misfitPrefix)
	return misfitError{text}, ok
}

// misfits says why an instance is left out; empty: it is not.
func (m *member) misfits() string {
	for _, why := range []*atomic.Pointer[string]{&m.unfit, &m.refusal} {
		if text := why.Load(); text != nil {
			return *text
		}
	}
	return ""
}

// note keeps why an instance is left out, nil if it is not, in one of its two places, and reports whether that is news.
func (m *member) note(place *atomic.Pointer[string], why error) bool {
	var text *string
	if why != nil {
		s := why.Error()
		text = &s
	}
	was := place.Swap(text)
	if (was == nil) == (text == nil) && (was == nil || *was == *text) {
		return false
	}
	m.change()
	return true
}

// strange says that an instance is left out.
func (p *pool) strange(m *member, why error) {
	p.log.Error("a server is left out: it and this release do not understand each other", "server", m.addr, "err", why)
}

// refuse leaves an instance out that refused a call for its protocol, or has it tried again.
func (p *pool) refuse(m *member, why error) {
	p.mu.Lock()
	news := m.note(&m.refusal, why)
	if news {
		p.rebuild()
	}
	p.mu.Unlock()
	if news && why != nil {
		p.strange(m, why)
	}
}
