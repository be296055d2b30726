package openai

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"parley/internal/jsonstr"
)

const modelPath = "/v1/models/"

// models answers GET /v1/models, and /v1/models/ID for one of them.
func (e *Entry) models(w http.ResponseWriter, r *http.Request, in door) {
	list, f := in.c.choices()
	if f == nil {
		if id, one := strings.CutPrefix(r.URL.Path, modelPath); one {
			if slices.Contains(list, id) {
				e.metrics.answered(in.c.tenant, http.StatusOK)
				writeJSON(w, http.StatusOK, in.c.model(nil, id))
				return
			}
			f = unknownModel(id)
		}
	}
	if f != nil {
		e.refuse(w, in.c.tenant, f)
		return
	}
	body := []byte(`{"object":"list","data":[`)
	for i, id := range list {
		if i > 0 {
			body = append(body, ',')
		}
		body = in.c.model(body, id)
	}
	e.metrics.answered(in.c.tenant, http.StatusOK)
	writeJSON(w, http.StatusOK, append(body, ']', '}'))
}

// choices are the models that the tenant may ask for, the default first.
func (c *Channel) choices() ([]string, *failure) {
	t, ok := c.direct.Tenant(c.tenant)
	if !ok || t.Suspended {
		return nil, suspended()
	}
	list := c.direct.Models(c.tenant)
	if len(list) == 0 {
		return nil, unavailable("The models are not known yet, since this process has just begun. Try again soon.", 0)
	}
	return list, nil
}

func (c *Channel) model(b []byte, id string) []byte {
	b = append(b, `{"id":`...)
	b = jsonstr.AppendQuoted(b, id)
	b = append(b, `,"object":"model","created":`...)
	b = strconv.AppendInt(b, c.made.Unix(), 10)
	return append(b, `,"owned_by":"parley"}`...)
}

func unknownModel(id string) *failure {
	if len(id) > 64 {
		id = id[:64]
	}
	return &failure{status: http.StatusNotFound, typ: typeInvalid, code: "model_not_found", param: "model",
		message: "The model `" + id + "` does not exist or you do not have access to it. GET /v1/models lists those that there are."}
}
