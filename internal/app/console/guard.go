package console

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"parley/internal/chat"
	"parley/internal/liveconfig"
)

const (
	// maxBody bounds a request: the largest is a document, in JSON.
	maxBody = 2 << 20
	// actFor bounds what one request does; a change goes on to its end when the page that asked for it is closed.
	actFor = 90 * time.Second
	// csrfHeader carries the session's token, which another site's page cannot read.
	csrfHeader = "X-Parley-Token"
)

// call is one request that may be answered.
type call struct {
	*http.Request
	w       http.ResponseWriter
	session *session // nil: nobody is logged in
}

// answered says that a handler has written its answer itself.
type answered struct{}

// guard lets a request pass that its route's role may make, and writes the answer.
func (c *Console) guard(r route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		q := &call{Request: req, w: w, session: c.session(req)}
		if err := c.admit(r, q); err != nil {
			fail(w, err)
			return
		}
		ctx, cancel := context.WithTimeout(req.Context(), actFor)
		if req.Method != http.MethodGet {
			ctx, cancel = context.WithTimeout(context.WithoutCancel(req.Context()), actFor)
		}
		defer cancel()
		q.Request = req.WithContext(ctx)
		q.Body = http.MaxBytesReader(w, req.Body, maxBody)
		v, err := r.answer(c, q)
		switch {
		case err != nil:
			fail(w, err)
		case v != answered{}:
			reply(w, http.StatusOK, v)
		}
	})
}

func (c *Console) admit(r route, q *call) error {
	switch {
	case r.role > Anybody && q.session == nil:
		return refusal{http.StatusUnauthorized, "unauthenticated", "log in first"}
	case r.role > Anybody && q.session.role < r.role:
		return refusal{http.StatusForbidden, "forbidden", fmt.Sprintf("this takes the role %s; yours is %s", r.role, q.session.role)}
	case r.method == http.MethodGet:
		return nil
	case c.origin.Check(q.Request) != nil:
		return refusal{http.StatusForbidden, "forbidden", "a request from another site's page"}
	case q.session != nil && r.role > Anybody && subtle.ConstantTimeCompare([]byte(q.Header.Get(csrfHeader)), []byte(q.session.csrf)) != 1:
		return refusal{http.StatusForbidden, "csrf", "the header " + csrfHeader + " is missing or of another session: load the page again"}
	}
	return nil
}

// refusal is an error with all that its answer needs.
type refusal struct {
	status        int
	code, message string
}

func (r refusal) Error() string { return r.message }

// withAct is an error with how far the change came.
type withAct struct {
	error
	act any
}

func (w withAct) Unwrap() error { return w.error }

// fail answers with an error: an operation's own is a refusal that says how to mend it.
func fail(w http.ResponseWriter, err error) {
	status, code := http.StatusConflict, "refused"
	if r, ok := errors.AsType[refusal](err); ok {
		status, code = r.status, r.code
	} else if errors.Is(err, liveconfig.ErrConflict) {
		status, code = http.StatusConflict, "conflict"
	} else if errors.Is(err, context.DeadlineExceeded) {
		status, code = http.StatusServiceUnavailable, "timeout"
	} else if k := chat.KindOf(err); k != chat.Internal && k != chat.Unauthenticated && k != chat.Forbidden { // those two are not about who asks here
		status, code = k.HTTPStatus(), k.String()
	}
	body := map[string]any{"error": map[string]string{"code": code, "message": err.Error()}}
	if a, ok := errors.AsType[withAct](err); ok {
		body["act"] = a.act
	}
	reply(w, status, body)
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// take reads the JSON body of a request. Unknown keys are faults: a misspelt reason must not vanish.
func take[T any](q *call) (in T, err error) {
	if mt, _, err := mime.ParseMediaType(q.Header.Get("Content-Type")); err != nil || mt != "application/json" {
		return in, refusal{http.StatusUnsupportedMediaType, "invalid", "Content-Type: use application/json"}
	}
	d := json.NewDecoder(q.Body)
	d.DisallowUnknownFields()
	if err = d.Decode(&in); err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is more after the JSON")
		}
	}
	switch _, large := errors.AsType[*http.MaxBytesError](err); {
	case large:
		return in, refusal{http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("at most %d bytes", maxBody)}
	case err != nil:
		return in, invalid("%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return in, nil
}

func invalid(format string, args ...any) error {
	return refusal{http.StatusBadRequest, "invalid", fmt.Sprintf(format, args...)}
}

// maxReason bounds a reason in bytes.
const maxReason = 1000

// reasoned asks for a reason.
func reasoned(reason string) error {
	if strings.TrimSpace(reason) == "" || len(reason) > maxReason {
		return invalid("reason: say why, in at most %d bytes", maxReason)
	}
	return nil
}
