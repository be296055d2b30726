//go:build race

package rpc

func init() { raceDetector = true }
