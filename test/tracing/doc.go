// Package tracing runs whole programs that send their traces to a collector, and judges what arrives: one trace per turn with every step below the
// right parent, also where a client service is killed and another takes its turns over; and what a real SkyWalking makes of it. It holds tests only.
package tracing
