package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"parley/internal/sim/wecom"
	"parley/test/realdeps"
)

// WeCom is a simulated WeCom in a process of its own.
type WeCom struct {
	*Process
	Addr string // host:port
}

// RunWeCom starts a simulated WeCom without applications. again is how often it delivers an acknowledged message once more at most.
func (r *Rig) RunWeCom(ctx context.Context, again int) (*WeCom, error) {
	addr, err := realdeps.FreeAddr()
	if err != nil {
		return nil, err
	}
	w := &WeCom{Addr: addr}
	if w.Process, err = r.spawn("wecomsim", nil, r.wecom, "-listen", addr, "-again", fmt.Sprint(again)); err != nil {
		return nil, err
	}
	ready, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	return w, w.waitFor(ready, "ready", func(ctx context.Context) error { _, err := w.Stats(ctx); return err })
}

// AddApp adds an application or replaces it.
func (w *WeCom) AddApp(ctx context.Context, a wecom.App) error { return w.post(ctx, "apps", a, nil) }

// Say posts a person's text and blocks until it is acknowledged or given up, which is no error: see the result.
func (w *WeCom) Say(ctx context.Context, ref wecom.Ref, user, text string) (p wecom.Posted, err error) {
	in := struct {
		wecom.Ref
		wecom.Message
	}{ref, wecom.Message{User: user, Text: text}}
	err = w.post(ctx, "push", in, &p)
	return p, err
}

// Distrust makes the platform refuse all that applications send, as it does when their address is not in their list, until Trust.
func (w *WeCom) Distrust(ctx context.Context) error {
	const says = "not allow to access from your ip, from ip: 203.0.113.7"
	return w.post(ctx, "faults", wecom.Fault{API: "message/send", Times: -1, Code: 60020, Message: says}, nil)
}

// Trust ends all faults of the platform.
func (w *WeCom) Trust(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, "http://"+w.Addr+"/admin/faults", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err == nil {
		err = resp.Body.Close()
	}
	return err
}

// Shown tells what people were shown, from the from-th (from 0) on over all applications. Where there is none yet it waits a moment.
func (w *WeCom) Shown(ctx context.Context, from int) (list []wecom.Sent, err error) {
	err = w.read(ctx, fmt.Sprintf("/feed?from=%d", from), &list)
	return list, err
}

// Stats counts what happened so far.
func (w *WeCom) Stats(ctx context.Context) (s wecom.Stats, err error) {
	err = w.read(ctx, "/admin/stats", &s)
	return s, err
}

func (w *WeCom) read(ctx context.Context, path string, into any) error {
	body, err := get(ctx, "http://"+w.Addr+path)
	if err != nil {
		return err
	}
	defer body.Close()
	return json.NewDecoder(body).Decode(into)
}

func (w *WeCom) post(ctx context.Context, what string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+w.Addr+"/admin/"+what, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode >= http.StatusMultipleChoices:
		return fmt.Errorf("the simulated WeCom answered %s: %s", resp.Status, bytes.TrimSpace(answer))
	case out == nil:
		return nil
	}
	return json.Unmarshal(answer, out)
}
