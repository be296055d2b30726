package operate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"parley/internal/app/wire"
)

// Export is `parley export`: it writes every live document as it is published into a folder, in the form in which `live: {source: file}` and
// deploy/publish.sh read them. References to secrets are written, secrets are not there. Files of the folder that are no document's stay.
func Export(ctx context.Context, env wire.Env, path, dir string) error {
	return withDesk(path, func(d *Desk) error {
		b, err := d.read()
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
		defer cancel()
		n, err := b.export(ctx, env, dir)
		if err == nil && n == 0 {
			err = errors.New("there is no document: see live and registry.nacos (addrs, namespace) of " + path)
		}
		return err
	})
}

func (b *board) export(ctx context.Context, env wire.Env, dir string) (written int, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, err
	}
	names, err := b.names(ctx)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		content, exists, err := b.get(ctx, name)
		if err != nil {
			return 0, err
		}
		if !exists { // taken away since it was listed
			continue
		}
		file := filepath.Join(dir, name+".yaml")
		if err := os.WriteFile(file+".new", content, 0o600); err != nil {
			return 0, err
		}
		if err := os.Rename(file+".new", file); err != nil {
			return 0, err
		}
		written++
		fmt.Fprintln(env.Stdout, file)
	}
	return written, nil
}

// names lists the documents that there are, waiting a little for a connection that is only being made.
func (b *board) names(ctx context.Context) ([]string, error) {
	if _, _, err := b.get(ctx, wire.RoutesDocument); err != nil {
		return nil, err
	}
	all := []string{}
	for _, prefix := range []string{"parley-", wire.TenantPrefix} {
		list, err := b.source.List(ctx, prefix)
		if err != nil {
			return nil, b.explain("listing the documents", err)
		}
		for _, name := range list {
			if !strings.ContainsAny(name, `/\`) { // none of Parley's
				all = append(all, name)
			}
		}
	}
	return all, nil
}
