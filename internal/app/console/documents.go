package console

func (c *Console) serveDocuments(q *call) (any, error) {
	list, err := c.opt.Desk.Documents(q.Context())
	return map[string]any{"documents": list}, err
}

func (c *Console) serveDocument(q *call) (any, error) {
	return c.opt.Desk.Document(q.Context(), q.PathValue("name"))
}

// document is a new form of one: Base is the revision that its author saw.
type document struct{ Content, Base, Reason string }

// maxDocument is what instances take.
const maxDocument = 1 << 20

func takeDocument(q *call) (document, error) {
	in, err := take[document](q)
	if err == nil && len(in.Content) > maxDocument {
		err = invalid("content: at most %d bytes", maxDocument)
	}
	return in, err
}

func (c *Console) serveCheck(q *call) (any, error) {
	in, err := takeDocument(q)
	if err != nil {
		return nil, err
	}
	return c.opt.Desk.JudgeDocument(q.Context(), q.PathValue("name"), []byte(in.Content))
}

func (c *Console) servePublish(q *call) (any, error) {
	in, err := takeDocument(q)
	if err != nil {
		return nil, err
	}
	if err := c.mayChange(in.Reason); err != nil {
		return nil, err
	}
	defer c.status.forget()
	j, err := c.opt.Desk.PublishDocument(q.Context(), c.env(q.session.name), q.PathValue("name"), []byte(in.Content), in.Base, in.Reason)
	if err != nil {
		return nil, withAct{err, j}
	}
	return j, nil
}
