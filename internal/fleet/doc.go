// Package fleet makes limits of calls with a provider's key hold over all servers together, and tells all of them when a key has to rest.
//
// Every key has one keeper among the servers that are registered and up; each server finds it by itself, by rendezvous hashing. A server
// that wants to call asks the keeper for a hold, waits there first come first served, and is counted until the hold's stream ends: a server
// that dies loses its holds with its connections. When another server becomes the keeper, the old one ends its holds, and the calls, which
// go on, are declared to the new one, which lets nobody in for the first seconds, so that all that runs is declared before it counts.
// If the keeper cannot be asked for some seconds, a server counts alone, against its share of the limit, and says so.
//
// What is not exact: servers that see each other differently for longer than the grace, as in a network cut in two, may keep a key twice;
// counting alone can exceed a limit that is smaller than the number of servers; a connection between two living servers that breaks
// uncounts their calls for a moment, until they are declared again.
package fleet
