// Package operate is the operators' commands: degrade and restore, status, check, dead letters, and sealed secrets. Each is one function that
// prints to its Env and returns when it is done; it asks the registry, the live documents and Redis, as the roles do, and runs none of them.
package operate
