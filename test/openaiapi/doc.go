// Package openaiapi holds tests of whole Parley processes about /v1/: programs ask two client services, which ask servers, which ask a simulated
// model; processes are killed, callers leave, limits are met.
package openaiapi
