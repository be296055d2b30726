package operate

import (
	"fmt"
	"io"
	"time"
)

// printBlocked shows the channels whose platform refuses all that is sent, one line for each client service that meets it: the platform may
// trust one's address and not another's.
func (r StatusReport) printBlocked(w io.Writer, now time.Time) {
	head := "\nCLIENT\tCHANNEL\tREFUSES ALL\n"
	for _, c := range r.Clients {
		for _, b := range c.Blocked {
			fmt.Fprintf(w, "%s%s\t%s/%s\tsince %s: %s\n", head, c.ID, b.Tenant, b.Channel, moment(b.Since, now), b.Why)
			head = ""
		}
	}
}
