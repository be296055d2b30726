// Package realdeps starts the real servers that Parley's tests run against, Redis and Nacos, on ports of their own, from package
// registries alone: Redis from the system's packages, Nacos from Maven artifacts. What is missing on the machine (redis-server, a JDK,
// mvn) is installed with apt-get when the user is root, and otherwise named in the error.
//
// A third, SkyWalking, is started by the one test that sends it traces. Every server is a child of the process that started it and ends with it.
// `with` beside this package runs a command with the first two.
package realdeps
