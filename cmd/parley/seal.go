package main

import (
	"errors"

	"github.com/spf13/cobra"

	"parley/internal/app/operate"
	"parley/internal/app/wire"
)

func sealCmd(env wire.Env) *cobra.Command {
	var o operate.SealOptions
	var keygen bool
	c := &cobra.Command{
		Use:   "seal --to RECIPIENT (--tenant T | --routes | --static) < SECRET",
		Short: "Seal a secret into an age: reference that one document alone can use; --keygen makes an identity",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			places := 0
			for _, chosen := range []bool{o.Tenant != "", o.Routes, o.Static} {
				if chosen {
					places++
				}
			}
			switch {
			case keygen:
				return operate.NewIdentity(env)
			case o.To == "":
				return usageError{errors.New("--to RECIPIENT (age1…) is missing; --keygen makes an identity and its recipient"), c.UsageString()}
			case places != 1:
				return usageError{errors.New("say where the reference will stand: one of --tenant, --routes, --static"), c.UsageString()}
			}
			return operate.Seal(env, c.InOrStdin(), o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.To, "to", "", "the recipient, age1…, of the identity in PARLEY_AGE_IDENTITY or PARLEY_AGE_IDENTITY_FILE of the processes")
	f.StringVar(&o.Tenant, "tenant", "", "for this tenant's document")
	f.BoolVar(&o.Routes, "routes", false, "for parley-routes")
	f.BoolVar(&o.Static, "static", false, "for client.yaml or server.yaml")
	f.BoolVar(&keygen, "keygen", false, "print a new identity and its recipient")
	return c
}
