// Package route decides who answers a turn. It is pure: documents and the time come in, decisions come out; it reads no file, no clock
// and no environment, and starts no goroutine.
//
// [Parse] turns the document parley-routes into an immutable [Table], [ParseDegradation] the document parley-degradation into a
// [Degradation]. [Table.Pick] lists the choices of one turn: who is asked first, and the fallbacks after it. A faulty document yields every
// fault at once ([Faults]), each with its line and how to mend it.
package route
