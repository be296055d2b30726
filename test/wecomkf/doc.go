// Package wecomkf holds tests of whole Parley processes with WeCom's customer service: two replicas of a client service, a real Redis, a
// server, and a simulated platform with accounts of customer service beside a self-built application. It also exchanges callback secrets.
package wecomkf
