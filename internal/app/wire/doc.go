// Package wire is what roles and commands are both wired with: the process around them, the store, live documents and the registry that static
// configuration names, a tenant's document with its channels, and the words that both have for it. So a command sees what a role would.
package wire
