//go:build !race

package rpc

// raceDetector says that this is a build with the race detector.
const raceDetector = false
