package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"parley/internal/app/dev"
	"parley/internal/app/wire"
	"parley/internal/config"
	"parley/internal/sim/llm"
)

// devVendor is a model vendor of `parley dev`: simulated in this process unless there is a key for the real one.
type devVendor struct {
	dev.Voice
	provider string
	model    string
	base     string // base_url
	sim      *llm.Server
	at       net.Listener
}

// devPace is that of a person reading.
var devPace = llm.Pace{First: 300 * time.Millisecond, Between: 35 * time.Millisecond} //nolint:gochecknoglobals // never written

// openVendors finds which vendors are real, and makes the others.
func (d *devRun) openVendors(ctx context.Context) error {
	d.vendors = []*devVendor{
		{Voice: dev.Voice{Vendor: llm.OpenAI, Name: "ChatGPT", Key: "OPENAI_API_KEY"}, provider: "openai", model: "gpt-4o-mini",
			base: "https://api.openai.com/v1"},
		{Voice: dev.Voice{Vendor: llm.ChatGLM, Name: "ChatGLM", Key: "ZHIPU_API_KEY"}, provider: "chatglm", model: "glm-4.6",
			base: "https://open.bigmodel.cn/api/paas/v4"},
		{Voice: dev.Voice{Vendor: llm.ERNIE, Name: "ERNIE", Key: "QIANFAN_API_KEY"}, provider: "ernie", model: "ernie-4.5-turbo-128k",
			base: "https://qianfan.baidubce.com/v2"},
	}
	var voices []dev.Voice
	for _, v := range d.vendors {
		voices = append(voices, v.Voice)
	}
	for _, v := range d.vendors {
		if os.Getenv(v.Key) != "" {
			if err := checkBase(v.variable("BASE_URL")); err != nil {
				return err
			}
			v.base = strings.TrimRight(cmp.Or(os.Getenv(v.variable("BASE_URL")), v.base), "/")
			v.model = cmp.Or(os.Getenv(v.variable("MODEL")), v.model)
			continue
		}
		var err error
		if v.at, err = listen(ctx, "127.0.0.1:0", "the simulated "+v.Name); err != nil {
			return err
		}
		v.sim = llm.New(llm.Options{Vendor: v.Vendor, Pace: devPace, Keys: []string{devSecrets["DEMO_"+v.Key]}, Answer: v.Answer(voices)})
		v.base = "http://" + v.at.Addr().String() + v.Vendor.Path()
	}
	return nil
}

// checkBase judges the address that a variable gives, if it gives one.
func checkBase(name string) error {
	base := os.Getenv(name)
	u, err := url.Parse(base)
	if base == "" || err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" {
		return nil
	}
	return config.Faults{{File: name, What: "is no address of a model", Mend: "write it as https://host/v1, or leave it out"}}
}

// variable is an environment variable beside the one of the key: OPENAI_BASE_URL.
func (v *devVendor) variable(name string) string { return strings.TrimSuffix(v.Key, "API_KEY") + name }

// reference is where the key stands.
func (v *devVendor) reference() string {
	if v.sim != nil {
		return "env:DEMO_" + v.Key
	}
	return "env:" + v.Key
}

// outbound lists the origins that the server may call besides the vendors' own.
func (d *devRun) outbound() []string {
	var list []string
	for _, v := range d.vendors {
		list = append(list, originOf(v.base))
	}
	if base := os.Getenv("OPENAI_BASE_URL"); base != "" && d.opt.Config != "" {
		list = append(list, originOf(base))
	}
	return list
}

func originOf(base string) string {
	scheme, rest, _ := strings.Cut(base, "://")
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host
}

// writeDocuments writes the embedded live documents.
func (d *devRun) writeDocuments() error {
	if !config.Loopback(d.page.Addr().String()) {
		return errors.New("--http: parley dev has no login, so it listens on a loopback address only: use 127.0.0.1")
	}
	var providers, models strings.Builder
	for _, v := range d.vendors {
		fmt.Fprintf(&providers, "  %s: {dialect: %s, base_url: %q, key: %q}\n", v.provider, v.provider, v.base, v.reference())
		fmt.Fprintf(&models, "    - %q\n", v.provider+"/"+v.model)
	}
	routes := "providers:\n" + providers.String() + "models:\n  chat:\n" + models.String()
	tenant := "name: " + devTenant + `
system_prompt: 你是一个乐于助人的助手。
limits: {per_user_per_minute: 120}
channels:
  - {name: web, kind: web, access: open, title: Parley, embed: self}
  - {name: api, kind: openai, keys: env:DEMO_API_KEY}
` + d.channelLines()
	for name, content := range map[string]string{wire.RoutesDocument: routes, wire.TenantPrefix + devTenant: tenant} {
		if err := os.WriteFile(filepath.Join(d.dir, name+".yaml"), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// models says who answers, for the terminal.
func (d *devRun) models() string {
	if d.opt.Config != "" {
		return d.model()
	}
	var list, keys []string
	for _, v := range d.vendors {
		if v.sim == nil {
			list = append(list, v.provider+"/"+v.model)
			continue
		}
		list, keys = append(list, v.Name+" (simulated)"), append(keys, v.Key)
	}
	text := strings.Join(list, ", ")
	if len(keys) > 0 {
		text += "; set " + strings.Join(keys, ", ") + " for real ones"
	}
	return text
}
