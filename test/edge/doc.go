// Package edge attacks whole programs from where strangers stand: at the public address with forged, replayed and oversized requests, and at
// Redis with another tenant's user. It holds tests only.
package edge
