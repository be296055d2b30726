// Package interop lets other makers' SDKs talk to Parley: what they understand is the wire, whatever Parley's own simulators think it is. The
// script install fetches them at exact versions.
package interop
