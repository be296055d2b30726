package dingtalk

import (
	"encoding/json"
	"net/http"
	"strings"
)

// file is a picture that a person sent; its code is good for one robot.
type file struct {
	app  string
	data []byte
}

// keep stores a picture and gives its code. The caller holds the lock.
func (s *Sim) keep(a *app, data []byte) string {
	code := s.newID("mIofN")
	s.files[code] = file{a.Key, data}
	return code
}

func (s *Sim) download(a *app, body []byte) (int, any) {
	var q struct {
		Code  string `json:"downloadCode"`
		Robot string `json:"robotCode"`
	}
	_ = json.Unmarshal(body, &q)
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.files[q.Code]
	if !ok || f.app != a.Key || q.Robot != a.Robot {
		return refuse(http.StatusBadRequest, "downloadCode.invalid", "downloadCode 不合法或已过期")
	}
	return http.StatusOK, map[string]string{"downloadUrl": s.origin + "/files/" + strings.TrimSuffix(q.Code, "==") + "?Expires=1&Signature=x"}
}

func (s *Sim) serveFile(w http.ResponseWriter, r *http.Request) {
	f := s.fault("/files/")
	switch {
	case f.Redirect != "":
		http.Redirect(w, r, f.Redirect, http.StatusFound)
		return
	case f.Status != 0:
		w.WriteHeader(f.Status)
		return
	}
	s.mu.Lock()
	stored, ok := s.files[r.PathValue("id")+"=="]
	s.mu.Unlock()
	if !ok {
		http.Error(w, "<Error><Code>AccessDenied</Code></Error>", http.StatusForbidden)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(stored.data)
}
