// Command growth says what so many people need: client services, servers, Redis masters, memory. It is arithmetic over what `make bench`
// measured (costs.go); docs/growth.md is made of it, and a test compares them.
//
//	go run ./test/growth -people 1000000          one company of a million
//	go run ./test/growth -people 10000000 -tenants 200
//	go run ./test/growth -page                    the tables of docs/growth.md
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	d := usual(100_000)
	flag.IntVar(&d.People, "people", d.People, "people who may write")
	flag.Float64Var(&d.Active, "active", d.Active, "share of them who write in the busiest minute, one message each")
	flag.DurationVar(&d.Answer, "answer", d.Answer, "how long a model writes an answer")
	flag.IntVar(&d.Tenants, "tenants", d.Tenants, "companies that they belong to")
	flag.Float64Var(&d.PerDay, "per-day", d.PerDay, "messages of a person a day, on average")
	page := flag.Bool("page", false, "print the tables of docs/growth.md")
	flag.Parse()
	if flag.NArg() > 0 || d.People < 1 || d.Tenants < 1 || d.Active <= 0 || d.Active > 1 || d.Answer < time.Second {
		flag.Usage()
		os.Exit(2)
	}
	if *page {
		fmt.Print(tables())
		return
	}
	fmt.Print(measured().plan(d))
}
