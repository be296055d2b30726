// Package fleet runs several server processes with one key of a limited provider, and kills, stops and starts them, while the provider itself
// counts the calls that run. It holds tests only.
package fleet
