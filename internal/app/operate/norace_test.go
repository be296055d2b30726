//go:build !race

package operate_test

const raceDetector = false
