// Package observability holds tests of deploy/observability: rules and dashboards name figures that real Parley processes tell, every alert
// has a page for whoever it wakes, and a real Prometheus raises each in its fault and lets it go afterwards.
package observability
