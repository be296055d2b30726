package app

import (
	"fmt"
	"time"

	"parley/internal/app/console"
	"parley/internal/app/operate"
	"parley/internal/config"
)

// consoleBase is where the console is in `parley dev`.
const consoleBase = "/console"

// openConsole makes the operators' console of the embedded services. Nobody has a password: a link logs in once, and when it was used the next one is
// printed where only who started this process sees it. Documents of one's own are only shown.
func (d *devRun) openConsole(cfg *config.Client) (err error) {
	d.desk = operate.OpenDesk(config.Either{Client: cfg})
	if err := d.desk.Faults(); err != nil {
		return err
	}
	d.console, err = console.New(console.Options{
		Desk: d.desk, Env: d.env, Log: d.tel.Log, Idle: 12 * time.Hour, Most: 24 * time.Hour, Base: consoleBase, Look: true, ReadOnly: d.opt.Config != "",
		Invited: func(next string) {
			fmt.Fprintf(d.env.Stdout, "  console   %s   (the next login)\n", d.consoleLink(next))
		},
	})
	return err
}

func (d *devRun) consoleLink(word string) string {
	return fmt.Sprintf("http://%s%s/#invite=%s", d.page.Addr(), consoleBase, word)
}
