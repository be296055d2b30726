package route

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Ways to show a provider's key.
const (
	AuthBearer = "bearer"  // Authorization: Bearer KEY
	AuthAPIKey = "api-key" // api-key: KEY, as Azure has it
	AuthJWT    = "jwt"     // Authorization: Bearer TOKEN, signed with a key of the form id.secret, as Zhipu has it
)

var (
	appID = regexp.MustCompile(`^app-[A-Za-z0-9_-]{1,64}$`)
	// apiVersion is the one query that an address may have: Azure's deployments cannot be called without it.
	apiVersion = regexp.MustCompile(`^api-version=[A-Za-z0-9.-]{1,40}$`)
)

// auth judges how the key is shown. Absent: a bearer, or api-key for an address of an Azure deployment, which takes nothing else.
func (p *parser) auth(v *Provider, n *yaml.Node, where string) {
	v.Auth = p.text(n, where)
	switch {
	case v.Auth == "" && strings.Contains(v.BaseURL, "?"):
		v.Auth = AuthAPIKey
	case v.Auth == "":
		v.Auth = AuthBearer
	case v.Dialect == simulated:
		p.faultf(n, where, "does not fit dialect simulated, which calls nobody; remove it")
	case !slices.Contains([]string{AuthBearer, AuthAPIKey, AuthJWT}, v.Auth):
		p.faultf(n, where, "%q is not known; write bearer, api-key or jwt, or leave it out", v.Auth)
	case v.Auth == AuthJWT && v.Dialect != "chatglm":
		p.faultf(n, where, "jwt is Zhipu's way, for dialect chatglm only; leave it out")
	}
}

// appID judges the application that Qianfan books calls on.
func (p *parser) appID(v *Provider, n *yaml.Node, where string) {
	v.AppID = p.text(n, where)
	switch {
	case v.AppID == "":
	case v.Dialect != "ernie":
		p.faultf(n, where, "is an application of Qianfan, for dialect ernie only; remove it")
	case !appID.MatchString(v.AppID):
		p.faultf(n, where, "must be the id of an application, like app-a1b2c3d4")
	}
}

// withQuery is an address without a trailing slash; ok: its query, if it has one, may stand there. A key in it would be logged by every
// machine on the way.
func withQuery(u *url.URL) (address string, ok bool) {
	base, query, _ := strings.Cut(u.String(), "?")
	address = strings.TrimRight(base, "/")
	if u.RawQuery != "" {
		address += "?" + query
	}
	return address, !u.ForceQuery && (u.RawQuery == "" || apiVersion.MatchString(u.RawQuery))
}
