// Package console is the operators' web page and its API below /api/. It does what the commands do, by the same functions (operate.Desk), and keeps
// nothing but logins, in memory.
//
// Every address that it answers is in one table, routes, with the role that it asks for; there is no other way in. What changes something asks
// besides for the session's own token, comes from the console's own origin, and is entered in the audit log before it is done.
package console
