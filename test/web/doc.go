// Package web holds tests of whole Parley processes with the web page's channel: two replicas of a client service, a real Redis, a server, and
// browsers that do what the page does: send again what was not stored, and resume their stream on whichever replica answers.
package web
