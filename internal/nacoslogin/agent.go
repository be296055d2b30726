package nacoslogin

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/nacos-group/nacos-sdk-go/v2/common/constant"
	"github.com/nacos-group/nacos-sdk-go/v2/common/http_agent"

	"parley/internal/chat"
)

const (
	loginPath = "/auth/users/login"
	// tellAnew is the token's life in seconds that the SDK is told, so that it asks again at its next tick, in 5 s.
	tellAnew = 1
	// tryEvery is how often Nacos is asked for another token while one is there; doubtEvery if only because Nacos refused a call. That may be for
	// want of a right: each time in a row it takes twice as long, up to doubtMost.
	// refusedEvery is the same of a password that Nacos has refused: a login costs it much.
	tryEvery, refusedEvery, doubtEvery = 4 * time.Second, 15 * time.Second, 30 * time.Second
	doubtMost                          = 16 * time.Minute
)

// Options are whose login it is.
type Options struct {
	Password chat.Secret
	Now      func() chat.Secret // reads the password anew, where it may change; nil: it is Password for ever
	CAFile   string             // PEM; set: TLS. It is read anew for each request
	Log      *slog.Logger
}

// Agent is the SDK's way to Nacos over HTTP. All clients of one process that use the same user may share it. Safe for concurrent use.
type Agent struct {
	http_agent.IHttpAgent
	now func() chat.Secret
	log *slog.Logger

	mu       sync.Mutex
	token    string
	renew    time.Time   // when it has to be asked for anew
	ends     time.Time   // of the token's life
	password chat.Secret // with which it was got
	tried    time.Time
	doubted  bool
	doubtFor time.Duration
	refused  chat.Secret // which Nacos did not take
}

// New makes an Agent. It asks nothing yet.
func New(o Options) *Agent {
	if o.Now == nil {
		o.Now = func() chat.Secret { return o.Password }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	tls := constant.TLSConfig{Appointed: true, Enable: o.CAFile != "", CaFile: o.CAFile}
	return &Agent{IHttpAgent: &http_agent.HttpAgent{TlsConfig: tls}, now: o.Now, log: o.Log, doubtFor: doubtEvery}
}

// Doubt says that Nacos refused a call: it may not know its token any more. Another is asked for soon, though not with every refusal.
func (a *Agent) Doubt() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.doubted = true
}

// Post implements the SDK's agent.
func (a *Agent) Post(path string, header http.Header, timeoutMs uint64, params map[string]string) (*http.Response, error) {
	if !strings.HasSuffix(path, loginPath) {
		return a.IHttpAgent.Post(path, header, timeoutMs, params)
	}
	a.mu.Lock() // also while Nacos is asked: who comes meanwhile wants the same
	defer a.mu.Unlock()
	newest := a.now()
	if !a.due(newest) {
		return a.held(), nil
	}
	a.tried = time.Now()
	said, err := a.ask(path, header, timeoutMs, params, newest)
	if err == nil && said.StatusCode != http.StatusOK {
		a.complain(newest, said.StatusCode)
		if old := a.password; !old.IsZero() && !old.Equal(newest) && a.worn() { // the file is ahead of Nacos
			said, err = a.ask(path, header, timeoutMs, params, old)
		}
	}
	if a.token != "" && time.Now().Before(a.ends) {
		return a.held(), nil
	}
	return said, err
}

// worn reports whether the token has to be replaced whatever became of the password. a.mu is held.
func (a *Agent) worn() bool { return a.doubted || time.Now().After(a.renew) }

// due reports whether Nacos is to be asked for a token. a.mu is held.
func (a *Agent) due(newest chat.Secret) bool {
	switch since := time.Since(a.tried); {
	case a.token == "":
		return true
	case time.Now().After(a.renew):
		return since >= tryEvery
	case a.doubted:
		return since >= a.doubtFor
	case newest.Equal(a.password):
		return false
	case newest.Equal(a.refused):
		return since >= refusedEvery
	default:
		return since >= tryEvery
	}
}

// held is the answer of a Nacos that gives the token that is there. a.mu is held.
func (a *Agent) held() *http.Response {
	body, _ := json.Marshal(map[string]any{constant.KEY_ACCESS_TOKEN: a.token, constant.KEY_TOKEN_TTL: tellAnew})
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(body))}
}

// ask asks Nacos for a token, and keeps it. Nacos's refusal is no error. a.mu is held.
func (a *Agent) ask(path string, header http.Header, timeoutMs uint64, params map[string]string, password chat.Secret) (*http.Response, error) {
	form := maps.Clone(params)
	form["password"] = password.Reveal()
	resp, err := a.IHttpAgent.Post(path, header, timeoutMs, form)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	if resp.StatusCode != http.StatusOK {
		return resp, nil
	}
	var got struct {
		AccessToken string
		TokenTTL    int64 `json:"tokenTtl"`
	}
	if err := json.Unmarshal(body, &got); err != nil || got.AccessToken == "" {
		return nil, errors.New("nacos's answer to a login holds no token")
	}
	if a.token != "" && !password.Equal(a.password) {
		a.log.Info("Nacos takes the changed password", "key", "registry.nacos.password")
	}
	if a.doubted && a.token != "" {
		a.log.Info("Nacos refused a call; this process has logged in anew")
		a.doubtFor = min(2*a.doubtFor, doubtMost)
	} else {
		a.doubtFor = doubtEvery
	}
	life := time.Duration(got.TokenTTL) * time.Second
	a.token, a.password, a.doubted = got.AccessToken, password, false
	a.renew, a.ends = time.Now().Add(life*8/10), time.Now().Add(life)
	return resp, nil
}

// complain says once that Nacos refuses the newest password. a.mu is held.
func (a *Agent) complain(newest chat.Secret, status int) {
	if a.token == "" || newest.Equal(a.refused) {
		return
	}
	a.refused = newest
	a.log.Warn("Nacos does not take the password; the token that is there, and the password before, serve on",
		"key", "registry.nacos.password", "status", status, "token_ends", a.ends)
}
