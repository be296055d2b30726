// Package wecombot holds tests of whole Parley processes with WeCom AI bots: two replicas of a client service, a real Redis, a server, a simulated
// model, and a simulated platform with one bot that is called back and one that holds a connection.
package wecombot
