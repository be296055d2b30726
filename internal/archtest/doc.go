// Package archtest holds the rules of the tree as data and the tests that enforce them: who may import whom, which folder owns which
// outside SDK, no init functions, no mutable package state, no folders named for nothing, no overlong files.
//
// The import rule: a folder may import its own parents, chat and telemetry; never a sibling, never a child. What else is allowed stands in
// rules.go, each line with its reason. Relaxing a rule means adding a line there, where a reviewer sees it.
//
// The checks read the source and not the build, so that files for other systems count as well.
package archtest
