// Package liveconfig keeps documents that operators change while Parley runs: the routes, the switches, the tenants. A [Value] is one
// document: each new form is decoded and validated aside, then swapped in atomically; a faulty form is refused, the last good one
// stays in force and the [Health] says so. A document that disappears keeps its last good form and raises an alarm. A [Set] is all
// documents of a prefix, those that appear later included.
//
// Where documents come from is a [Source]: folder file or nacos below this one.
package liveconfig
