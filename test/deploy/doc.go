// Package deploy tests what lies in the folder deploy/ as far as that is possible without a container engine: that compose.yaml is consistent,
// that the configuration of each of its services loads in the environment that it gives it, and that the scripts work.
package deploy

// deployDir is the folder under test, seen from this package.
const deployDir = "../../deploy"
